-- A cancellation sweeps a large job in many transactions. Should its process die between two of them, nothing else would
-- meet tasks that only wait; the mark lets garbage collection find such jobs and sweep on.

SET LOCAL search_path = filemill;

ALTER TABLE jobs ADD COLUMN sweeping boolean NOT NULL DEFAULT false;
CREATE INDEX jobs_sweeping ON jobs (finished_at) WHERE sweeping;
GRANT UPDATE (sweeping) ON jobs TO filemill_app;
