"""Who may have what done: requests, votes, policies and states, and the ledger that remembers them."""
