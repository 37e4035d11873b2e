-- What garbage collection looks for, so that a round costs what there is to collect and not what is kept.

SET LOCAL search_path = filemill;

-- Few at any time: they end with their job.
CREATE INDEX files_intermediate ON files (id) WHERE origin = 'intermediate' AND status = 'stored';

-- A tombstone is the row of a file that was never recorded: it keeps the id of objects that were collected as garbage
-- from being recorded after all (lifecycle/orphan-objects.ts).
CREATE INDEX files_tombstones ON files (deleted_at) WHERE origin = 'intermediate' AND status = 'deleted' AND job_id IS NULL;
