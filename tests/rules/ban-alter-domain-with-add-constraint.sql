-- === bad: all tables that use it are read
ALTER DOMAIN "Label" ADD CONSTRAINT short CHECK (length(VALUE) < 10);
-- === good: not yet, and a domain of its own
ALTER DOMAIN "Label" ADD CONSTRAINT short CHECK (length(VALUE) < 10) NOT VALID;
CREATE DOMAIN own AS text;
ALTER DOMAIN own ADD CONSTRAINT short CHECK (length(VALUE) < 10);
