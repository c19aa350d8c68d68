CREATE TABLE "t ä" ();
