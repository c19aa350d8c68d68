-- === bad: no index begins with it
ALTER TABLE "Post" ADD CONSTRAINT author FOREIGN KEY ("authorId") REFERENCES "User" (id) NOT VALID;
-- === good: there is one
ALTER TABLE "Post" ADD CONSTRAINT editor FOREIGN KEY ("editorId") REFERENCES "User" (id) NOT VALID;
ALTER TABLE "Post" ADD CONSTRAINT self FOREIGN KEY (id) REFERENCES "User" (id) NOT VALID;
-- === good: there will be one
ALTER TABLE "Post" ADD CONSTRAINT author FOREIGN KEY ("authorId") REFERENCES "User" (id) NOT VALID;
CREATE INDEX i ON "Post" ("authorId");
