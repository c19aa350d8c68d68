// The theme makes a landmark without a name of every code block's button, and a screen reader lists them all: they are none.
const plain = () => document.querySelectorAll("nav.md-code__nav:not([role])").forEach(nav => nav.setAttribute("role", "presentation"));
new MutationObserver(plain).observe(document.body, {childList: true, subtree: true});
plain();
