CREATE TABLE `user` (id int);
