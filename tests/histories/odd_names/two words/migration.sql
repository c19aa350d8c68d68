CREATE TABLE "t two words" ();
