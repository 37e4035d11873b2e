-- What a resumable upload says of the end of its file, and why its job could not be started.

SET LOCAL search_path = filemill;

-- Of the file that it becomes; null: as the tenant's retention says.
ALTER TABLE uploads ADD COLUMN file_expires_at timestamptz;
-- {code, detail}: the pipeline that was there at the beginning was gone, or took other parameters, when the last byte came.
ALTER TABLE uploads ADD COLUMN job_problem jsonb;
GRANT UPDATE (job_problem) ON uploads TO filemill_app;
