"""The main job as a story: real commands on a real server, and after each a look at what the database says."""
