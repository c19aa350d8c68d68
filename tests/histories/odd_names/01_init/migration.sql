CREATE TABLE "t 01_init" ();
