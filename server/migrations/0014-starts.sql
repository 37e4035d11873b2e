-- What starts jobs without a request: the clock (schedules), a file that was stored (triggers), the end of other jobs (waits).

SET LOCAL search_path = filemill;

-------------------------------------------------------------------------------------------------------------- schedules

CREATE TABLE schedules (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 63),
  -- What is run: pipeline, params, inputs or source, priority, metadata; as in a request.
  job jsonb NOT NULL,
  cron text NOT NULL,
  time_zone text NOT NULL,
  missed text NOT NULL CHECK (missed IN ('skip', 'run_once', 'run_all')),
  overlap text NOT NULL CHECK (overlap IN ('allow', 'skip')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Null while it is paused. Whoever moves it on has the due time that it showed: jobs and this change in one transaction.
  next_run_at timestamptz,
  paused boolean NOT NULL DEFAULT false,
  -- The last due time and what came of it.
  last_due_at timestamptz,
  last_outcome text CHECK (last_outcome IN ('started', 'skipped', 'failed')),
  last_job_id uuid,
  -- Of the last due time, where no job could be made: code, message, at.
  error jsonb,
  UNIQUE (tenant_id, name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX schedules_due ON schedules (next_run_at) WHERE next_run_at IS NOT NULL;

--------------------------------------------------------------------------------------------------------------- triggers

-- What the latest versions of the tenants' pipelines say of triggers; no row for a pipeline without.
CREATE TABLE pipeline_triggers (
  tenant_id uuid NOT NULL REFERENCES tenants,
  pipeline_name text NOT NULL,
  triggers jsonb NOT NULL,
  -- Does any of them ask for outputs of jobs?
  takes_outputs boolean NOT NULL,
  PRIMARY KEY (tenant_id, pipeline_name)
);

-- New files of tenants that have triggers, until somebody has looked what they trigger. Written by the transaction that
-- stores the file, deleted by the one that submits the jobs over it.
CREATE TABLE arrived_files (
  tenant_id uuid NOT NULL,
  file_id uuid NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, file_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- Jobs that triggers made: how many such jobs lie one behind the other, this one counted.
CREATE TABLE triggered_jobs (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  depth smallint NOT NULL CHECK (depth > 0)
);

-- By the statement that makes the files, whoever writes it: one that forgets would lose files. Tenants without triggers pay
-- for one look into an index.
CREATE FUNCTION note_arrived_files() RETURNS trigger LANGUAGE plpgsql SET search_path = filemill, pg_temp AS $$
BEGIN
  INSERT INTO arrived_files (tenant_id, file_id)
  SELECT new_rows.tenant_id, new_rows.id FROM new_rows
  WHERE new_rows.status = 'stored' AND new_rows.origin <> 'intermediate' AND EXISTS (
    SELECT FROM pipeline_triggers
    WHERE pipeline_triggers.tenant_id = new_rows.tenant_id AND (new_rows.origin = 'upload' OR pipeline_triggers.takes_outputs));
  RETURN NULL;
END $$;
CREATE TRIGGER note_arrived AFTER INSERT ON files REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_arrived_files();

------------------------------------------------------------------------------------------------------------------ waits

-- Jobs that were submitted to start after others. Until `settled_at` the job is queued and has no tasks; its stages are
-- those of a plan without inputs. What it was given as inputs is in stage_arrivals, under stage -1.
CREATE TABLE job_waits (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  policy text NOT NULL CHECK (policy IN ('completed', 'finished')),
  -- [{job_id, steps}]: whose outputs are inputs.
  inputs_from jsonb NOT NULL,
  source jsonb,
  settled_at timestamptz,
  -- Why it was cancelled instead of started.
  error jsonb
);

-- How the job before ended is written by the transaction that ends it, and is no row that two of them share.
CREATE TABLE job_dependencies (
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  after_job_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  -- Null: not yet.
  outcome text CHECK (outcome IN ('completed', 'failed', 'cancelled')),
  -- Has the waiting job been looked at since?
  seen boolean NOT NULL DEFAULT false,
  PRIMARY KEY (job_id, after_job_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX job_dependencies_open ON job_dependencies (after_job_id) WHERE outcome IS NULL;
CREATE INDEX job_dependencies_unseen ON job_dependencies (job_id) WHERE outcome IS NOT NULL AND NOT seen;

CREATE FUNCTION note_ended_job() RETURNS trigger LANGUAGE plpgsql SET search_path = filemill, pg_temp AS $$
BEGIN
  UPDATE job_dependencies SET outcome = NEW.status WHERE after_job_id = NEW.id AND outcome IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER note_ended AFTER UPDATE OF status ON jobs FOR EACH ROW
  WHEN (NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status <> NEW.status) EXECUTE FUNCTION note_ended_job();

------------------------------------------------------------------------------------------------------ who may see what

REVOKE EXECUTE ON FUNCTION note_arrived_files, note_ended_job FROM PUBLIC;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['schedules', 'pipeline_triggers', 'arrived_files', 'triggered_jobs', 'job_waits', 'job_dependencies']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT, DELETE ON schedules TO filemill_app;
GRANT UPDATE (name, job, cron, time_zone, missed, overlap, updated_at, next_run_at, paused, last_due_at, last_outcome, last_job_id, error)
  ON schedules TO filemill_app;
GRANT SELECT, INSERT, UPDATE (triggers, takes_outputs), DELETE ON pipeline_triggers TO filemill_app;
GRANT SELECT, INSERT, DELETE ON arrived_files TO filemill_app;
GRANT SELECT, INSERT ON triggered_jobs, job_waits, job_dependencies TO filemill_app;
GRANT UPDATE (outcome) ON job_dependencies TO filemill_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON schedules, pipeline_triggers, arrived_files, triggered_jobs, job_waits, job_dependencies
  TO filemill_system;
