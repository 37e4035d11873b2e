-- Tasks that had begun and wait for another try: what they had done still counts in the progress of their job.

SET LOCAL search_path = filemill;

CREATE INDEX tasks_begun ON tasks (job_id) WHERE status = 'ready' AND epoch > 0;
