-- === bad: cut after 63 bytes
CREATE TABLE new (id int, a_name_of_a_column_that_goes_on_and_on_and_on_until_nobody_reads_it int);
CREATE INDEX "User_a_name_that_is_63_letters_long_and_a_bit_more_because_of_ü" ON "Empty" (note);
-- === good: short enough
CREATE INDEX "User_a_name_that_is_63_letters_long_and_not_a_bit_more_at_all_x" ON "Empty" (note);
