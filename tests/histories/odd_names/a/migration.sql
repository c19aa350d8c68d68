CREATE TABLE "t a" ();
