-- How much of a worker a task takes, and how far it has come while it runs.

SET LOCAL search_path = filemill;

-- Places of a worker that the task takes; a worker with fewer gives it all that it has.
ALTER TABLE tasks ADD COLUMN weight smallint NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 64);
-- Items that a batch had done at the best of its attempts, before it has ended; what progress is told from. In no index, so
-- that moving it is a HOT update.
ALTER TABLE tasks ADD COLUMN items_done int NOT NULL DEFAULT 0;
