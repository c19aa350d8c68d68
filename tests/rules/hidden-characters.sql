-- === bad: the direction is turned in a comment
-- <U+202E> yllaer
SELECT 1;
-- === bad: in a string, in a name, and a control character
SELECT 'a<U+2066>b';
SELECT 1 AS "a<U+200B>b";
SELECT 2 AS "c<U+001B>[2K";
-- === good: letters of all the world, and emoji in a string
SELECT 'مرحبا <U+200E> 👩<U+200D>💻' AS "größe"; -- é
