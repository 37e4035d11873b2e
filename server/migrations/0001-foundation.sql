-- The whole engine on one page: who owns what, what is kept, what is asked, what is handed out, what happened.
--
-- Roles. filemill_owner owns the tables and migrates. filemill_app serves one tenant at a time: row-level security is
-- FORCEd and the policy compares tenant_id with a setting of the transaction. filemill_system is the engine (claims,
-- sign-in look-ups, garbage collection): policies of its own, the grants listed at the end, no BYPASSRLS.
-- The roles themselves are made by db/roles.ts, because CREATE ROLE is not for every migration user.

CREATE SCHEMA filemill;
SET LOCAL search_path = filemill;

---------------------------------------------------------------------------------------------------------------- tenants

CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
  max_running int CHECK (max_running > 0),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  key_id text NOT NULL UNIQUE,
  secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('read-only', 'user', 'admin', 'operator')),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

------------------------------------------------------------------------------------------------------------------ files

-- A file is immutable: content is segments in object stores, or one inline row for small ones.
CREATE TABLE files (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  media_type text NOT NULL,
  -- upload: sent by a client. output: kept result of a step. intermediate: only crosses a stage boundary, never listed.
  origin text NOT NULL CHECK (origin IN ('upload', 'output', 'intermediate')),
  status text NOT NULL DEFAULT 'stored' CHECK (status IN ('uploading', 'stored', 'quarantined', 'deleted')),
  job_id uuid,
  step text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX files_listed ON files (tenant_id, created_at DESC, id DESC) WHERE status = 'stored' AND origin <> 'intermediate';
CREATE INDEX files_by_job ON files (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX files_by_metadata ON files USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}';

-- A foreign key over (tenant_id, file_id) would need one more unique index on files, which every stored file pays for;
-- instead whoever reads content joins by both columns (outputs/content.ts).
-- encoding 0: the object is the plain bytes. Others (an encrypted envelope) may follow; size_bytes is always plaintext.
CREATE TABLE segments (
  file_id uuid NOT NULL REFERENCES files ON DELETE CASCADE,
  ordinal int NOT NULL CHECK (ordinal >= 0),
  tenant_id uuid NOT NULL,
  store text NOT NULL,
  -- <tenant>/<file>/<epoch>/<segment>: no row of a tenant names an object of another. Costs 5 µs a segment: recording 200
  -- files of one segment took 15.1 ms with it and 14.9 ms without.
  object_key text NOT NULL UNIQUE CHECK (starts_with(object_key, tenant_id::text || '/')),
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  encoding smallint NOT NULL DEFAULT 0,
  PRIMARY KEY (file_id, ordinal)
);

CREATE TABLE inline_objects (
  file_id uuid PRIMARY KEY REFERENCES files ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  content bytea NOT NULL,
  encoding smallint NOT NULL DEFAULT 0
);
ALTER TABLE inline_objects ALTER COLUMN content SET STORAGE EXTERNAL;

-------------------------------------------------------------------------------------------------------------- pipelines

CREATE TABLE pipelines (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  name text NOT NULL,
  version int NOT NULL CHECK (version > 0),
  document jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, name, version)
);

------------------------------------------------------------------------------------------------------------------- jobs

-- What was asked is wide and never changes (job_specs); what becomes of it is narrow and hot (jobs, job_stages).
CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  priority smallint NOT NULL DEFAULT 0,
  pipeline_name text NOT NULL,
  pipeline_version int,
  input_items int NOT NULL,
  input_bytes bigint NOT NULL DEFAULT 0,
  -- The next ordinal for items that fan-outs and reduces make.
  next_ordinal int NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz
) WITH (fillfactor = 60);
CREATE INDEX jobs_listed ON jobs (tenant_id, created_at DESC, id DESC);
CREATE INDEX jobs_open ON jobs (tenant_id, status) WHERE status IN ('queued', 'running');

CREATE TABLE job_specs (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  document jsonb NOT NULL,
  params jsonb NOT NULL,
  plan jsonb NOT NULL,
  metadata jsonb NOT NULL
);
CREATE INDEX job_specs_by_metadata ON job_specs USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}';

-- One row a stage; the only shared row that completions touch, so it is locked last, in (job_id, stage) order.
-- A stage is closed when nothing of it is open and everything that feeds it is closed.
CREATE TABLE job_stages (
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  stage smallint NOT NULL,
  tenant_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('source', 'map', 'tree', 'gather')),
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed', 'cancelled')),
  open_tasks int NOT NULL DEFAULT 0 CHECK (open_tasks >= 0),
  open_feeders smallint NOT NULL DEFAULT 0 CHECK (open_feeders >= 0),
  -- Items that came in, and what became of them; moved = handed on, one to one, to a later stage, which counts them.
  items_in bigint NOT NULL DEFAULT 0,
  items_succeeded bigint NOT NULL DEFAULT 0,
  items_skipped bigint NOT NULL DEFAULT 0,
  items_dead bigint NOT NULL DEFAULT 0,
  items_moved bigint NOT NULL DEFAULT 0,
  -- Reduces: nodes (tree) or the one gather call that ended for good without a result.
  dead_tasks int NOT NULL DEFAULT 0,
  -- Leaves of a tree, known when its feeders close or, without a fan-out above, from the start.
  leaves bigint,
  PRIMARY KEY (job_id, stage)
) WITH (fillfactor = 40);

CREATE TABLE idempotency_keys (
  tenant_id uuid NOT NULL REFERENCES tenants,
  key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
  request_sha256 bytea NOT NULL,
  status smallint NOT NULL,
  answer jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

------------------------------------------------------------------------------------------------------------------ tasks

-- status: waiting (inputs or turn not there yet), ready, running, succeeded, dead, cancelled. `backing_off` holds a ready
-- task out of the ready index until run_at. lease_until is in no index, so that renewing is a HOT update.
CREATE TABLE tasks (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  stage smallint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('source', 'map', 'tree', 'gather')),
  lane text NOT NULL DEFAULT 'default',
  status text NOT NULL CHECK (status IN ('waiting', 'ready', 'running', 'succeeded', 'dead', 'cancelled')),
  -- Stored negated, so that the ready index reads in ascending order: lower goes first.
  rank smallint NOT NULL DEFAULT 0,
  items int NOT NULL,
  -- Smallest and largest item ordinal among the inputs; -1 where it has no items (reduces).
  item_from int NOT NULL,
  item_to int NOT NULL,
  -- Place in a reduction tree; the root gives the result.
  tree_level smallint,
  tree_node bigint,
  tree_root boolean,
  epoch int NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0,
  losses smallint NOT NULL DEFAULT 0,
  -- How often it came back because the database, a store or a host was away.
  handbacks smallint NOT NULL DEFAULT 0,
  max_attempts smallint NOT NULL DEFAULT 3,
  backing_off boolean NOT NULL DEFAULT false,
  run_at timestamptz NOT NULL DEFAULT now(),
  worker_id uuid,
  lease_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  -- {class, code, step, message} of the last failure.
  error jsonb
) WITH (fillfactor = 85);
CREATE INDEX tasks_ready ON tasks (lane, tenant_id, rank, id) WHERE status = 'ready' AND NOT backing_off;
CREATE INDEX tasks_running ON tasks (tenant_id, lane) WHERE status = 'running';
CREATE INDEX tasks_backing_off ON tasks (run_at) WHERE status = 'ready' AND backing_off;
CREATE INDEX tasks_of_job ON tasks (job_id, item_from, id);
-- Tasks whose items lie far apart (what a retry or a fan-out put together), so that all others that hold an item can be
-- looked for in the 1,000 places before it (jobs/item-rows.ts has the same number).
CREATE INDEX tasks_wide ON tasks (job_id, item_to) WHERE item_to - item_from >= 1000;
CREATE INDEX tasks_dead ON tasks (tenant_id, finished_at) WHERE status = 'dead';

-- The entries of a task, as arrays of one length; no row an item. from_steps is the step that made the file, '' = an
-- input of the job. parents is -1 for items that are not children of a fan-out.
CREATE TABLE task_inputs (
  task_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  ordinals int[] NOT NULL,
  parents int[] NOT NULL,
  files uuid[] NOT NULL,
  from_steps text[] NOT NULL
);
CREATE INDEX task_inputs_of_job ON task_inputs (job_id);

-- What waits for a gather, or for a tree whose size is not known yet: one row a completed task.
CREATE TABLE stage_arrivals (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  stage smallint NOT NULL,
  ordinals int[] NOT NULL,
  parents int[] NOT NULL,
  files uuid[] NOT NULL,
  from_steps text[] NOT NULL
);
CREATE INDEX stage_arrivals_of_stage ON stage_arrivals (job_id, stage);

-- A node of a reduction tree that waits for its inputs. slots says which child each file came from; an empty child
-- (a skipped item) arrives without a file. The arrival that makes arrived = expected makes the task.
CREATE TABLE tree_nodes (
  job_id uuid NOT NULL,
  stage smallint NOT NULL,
  level smallint NOT NULL,
  node bigint NOT NULL,
  tenant_id uuid NOT NULL,
  expected int NOT NULL,
  arrived int NOT NULL,
  slots bigint[] NOT NULL,
  files uuid[] NOT NULL,
  PRIMARY KEY (job_id, stage, level, node)
) WITH (fillfactor = 60);

-- Rows only for exceptions; every other item's status follows from its task.
CREATE TABLE item_exceptions (
  task_id uuid NOT NULL,
  ordinal int NOT NULL,
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  stage smallint NOT NULL,
  status text NOT NULL CHECK (status IN ('dead', 'skipped')),
  step text,
  code text NOT NULL,
  message text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (task_id, ordinal)
);
CREATE INDEX item_exceptions_of_job ON item_exceptions (job_id, ordinal);

-- Lineage: which step of which task, at which version of the processor, made the file from what.
CREATE TABLE outputs (
  job_id uuid NOT NULL,
  -- Order in which a job's outputs are shown: item, step, then the order in which the step emitted them.
  ordinal int NOT NULL,
  step text NOT NULL,
  part int NOT NULL,
  tenant_id uuid NOT NULL,
  task_id uuid NOT NULL,
  epoch int NOT NULL,
  file_id uuid NOT NULL,
  processor text NOT NULL,
  processor_version text NOT NULL,
  -- true for the outputs that the pipeline names; false for files that only crossed a stage boundary.
  kept boolean NOT NULL,
  -- The files of other stages (or the job's inputs) it was made from.
  inputs uuid[] NOT NULL,
  PRIMARY KEY (job_id, ordinal, step, task_id, part)
);
CREATE INDEX outputs_by_file ON outputs (file_id);
CREATE INDEX outputs_by_task ON outputs (task_id);

CREATE TABLE workers (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  pid int NOT NULL,
  lanes text[] NOT NULL,
  slots int NOT NULL,
  status text NOT NULL DEFAULT 'up' CHECK (status IN ('up', 'draining', 'gone', 'lost')),
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

------------------------------------------------------------------------------------------------------- what happened

-- No counter: a cursor over ids alone loses events that commit late. Readers use the watermark over xid (status/reader).
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant_id uuid NOT NULL,
  job_id uuid,
  type text NOT NULL,
  data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_of_tenant ON events (tenant_id, xid, id);
CREATE INDEX events_in_order ON events (xid, id);
CREATE INDEX events_of_job ON events (job_id, xid, id) WHERE job_id IS NOT NULL;

CREATE TABLE audit_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant_id uuid NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  object text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_entries_of_tenant ON audit_entries (tenant_id, id);

-- What an autoscaler reads; never the broker's length. One branch for each partial index, because there is none for all:
-- a condition over both statuses reads the whole history.
CREATE VIEW lane_backlog WITH (security_invoker = true) AS
  SELECT lane, sum(ready)::bigint AS ready, sum(running)::bigint AS running
  FROM (
    SELECT lane, count(*) AS ready, 0 AS running FROM tasks WHERE status = 'ready' AND NOT backing_off GROUP BY lane
    UNION ALL SELECT lane, count(*), 0 FROM tasks WHERE status = 'ready' AND backing_off GROUP BY lane
    UNION ALL SELECT lane, 0, count(*) FROM tasks WHERE status = 'running' GROUP BY lane
  ) AS counted GROUP BY lane;

---------------------------------------------------------------------------------------------------------- housekeeping

-- By default autovacuum waits until a fifth of a table is dead: with 10,000,000 tasks kept that is 2,000,000 dead rows, which
-- every claim and every completion would step over in the indexes. A hundredth is 100,000. The plans of claims depend on
-- the counts of the few tasks that are open, so these are counted anew after 2 %. A cost limit of 400 a 2 ms (twice the
-- default) is 20 pages dirtied, so that one worker writes at most 80 MB a second.
ALTER TABLE tasks SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_limit = 400);
ALTER TABLE task_inputs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_limit = 400);
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 500, autovacuum_vacuum_cost_limit = 400);
-- A row for each stage, changed by every completion: few rows, many versions.
ALTER TABLE job_stages SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 500, autovacuum_vacuum_cost_limit = 400);
ALTER TABLE tree_nodes SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 500, autovacuum_vacuum_cost_limit = 400);

------------------------------------------------------------------------------------------------------ who may see what

GRANT USAGE ON SCHEMA filemill TO filemill_app, filemill_system;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['api_keys', 'files', 'segments', 'inline_objects', 'pipelines', 'jobs', 'job_specs', 'job_stages',
    'idempotency_keys', 'tasks', 'task_inputs', 'stage_arrivals', 'tree_nodes', 'item_exceptions', 'outputs', 'events', 'audit_entries']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenants TO filemill_app USING (id = (SELECT current_setting('filemill.tenant')::uuid));
CREATE POLICY of_system ON tenants TO filemill_system USING (true) WITH CHECK (true);

GRANT SELECT ON tenants TO filemill_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys, files, segments, inline_objects, pipelines, jobs, job_specs, job_stages, idempotency_keys,
  tasks, task_inputs, stage_arrivals, tree_nodes, item_exceptions, outputs TO filemill_system;

-- What serves a tenant may change what its requests change, and nothing that is immutable: what a key is good for, what
-- content a file has, what was asked, what an answer was, which file an output is.
GRANT SELECT, INSERT ON api_keys, pipelines, idempotency_keys, job_specs TO filemill_app;
GRANT UPDATE (revoked_at) ON api_keys TO filemill_app;
GRANT UPDATE (deleted_at) ON pipelines TO filemill_app;
GRANT SELECT, INSERT, DELETE ON files, segments, inline_objects, jobs, item_exceptions TO filemill_app;
GRANT UPDATE (status, deleted_at) ON files TO filemill_app;
GRANT UPDATE (status, next_ordinal, started_at, finished_at) ON jobs TO filemill_app;
GRANT SELECT, DELETE ON outputs TO filemill_app;
-- A retry moves the engine's own rows on.
GRANT SELECT, INSERT, UPDATE, DELETE ON job_stages, tasks, task_inputs, stage_arrivals, tree_nodes TO filemill_app;
GRANT SELECT, INSERT ON events, audit_entries TO filemill_app, filemill_system;
GRANT DELETE ON events TO filemill_system;
GRANT SELECT, INSERT, UPDATE ON tenants TO filemill_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO filemill_system;
GRANT SELECT ON lane_backlog TO filemill_system;
