-- Rounds look every few minutes for files that are being brought back from an archive: few, among all that there are.

SET LOCAL search_path = filemill;

CREATE INDEX files_restoring ON files (restoring_since) WHERE restoring_since IS NOT NULL;
