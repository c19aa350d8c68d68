-- === bad: the direction is turned in a comment
-- ‮ yllaer
SELECT 1;
-- === bad: in a string, in a name, and a control character
SELECT 'a⁦b';
SELECT 1 AS "a​b";
SELECT 2 AS "c[2K";
-- === good: letters of all the world, and emoji in a string
SELECT 'مرحبا ‎ 👩‍💻' AS "größe"; -- é
