ALTER TABLE "User" ADD COLUMN email text;
