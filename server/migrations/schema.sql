-- Made from the migrations by test/dump-schema.ts; not to be run.

role filemill_app
role filemill_owner
role filemill_system

table api_keys
  id uuid not null
  tenant_id uuid not null
  key_id text not null
  secret_sha256 bytea not null
  name text not null
  role text not null
  created_at timestamp with time zone not null default now()
  expires_at timestamp with time zone
  revoked_at timestamp with time zone
  constraint api_keys_key_id_key UNIQUE (key_id)
  constraint api_keys_pkey PRIMARY KEY (id)
  constraint api_keys_role_check CHECK ((role = ANY (ARRAY['read-only'::text, 'user'::text, 'admin'::text, 'operator'::text])))
  constraint api_keys_secret_sha256_check CHECK ((octet_length(secret_sha256) = 32))
  constraint api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table arrived_files
  tenant_id uuid not null
  file_id uuid not null
  arrived_at timestamp with time zone not null default now()
  constraint arrived_files_pkey PRIMARY KEY (tenant_id, file_id)
  owner filemill_owner, row security forced, with autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=1000
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table audit_entries
  id bigint not null identity
  xid xid8 not null default pg_current_xact_id()
  tenant_id uuid not null
  actor text not null
  action text not null
  object text not null
  detail jsonb not null default '{}'::jsonb
  created_at timestamp with time zone not null default now()
  constraint audit_entries_pkey PRIMARY KEY (id)
  CREATE INDEX audit_entries_of_tenant ON filemill.audit_entries USING btree (tenant_id, id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant insert, select to filemill_system

table cached_results
  tenant_id uuid not null
  key bytea not null
  steps smallint[] not null
  files uuid[] not null
  created_at timestamp with time zone not null default now()
  expires_at timestamp with time zone not null
  constraint cached_results_key_check CHECK ((octet_length(key) = 32))
  constraint cached_results_pkey PRIMARY KEY (tenant_id, key)
  CREATE INDEX cached_results_by_expiry ON filemill.cached_results USING btree (expires_at)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant delete, insert, select to filemill_system

table damaged_files
  file_id uuid not null
  tenant_id uuid not null
  kind text not null
  detail text not null
  found_at timestamp with time zone not null default now()
  healed_at timestamp with time zone
  constraint damaged_files_file_id_fkey FOREIGN KEY (file_id) REFERENCES filemill.files(id) ON DELETE CASCADE
  constraint damaged_files_kind_check CHECK ((kind = ANY (ARRAY['missing'::text, 'damaged'::text])))
  constraint damaged_files_pkey PRIMARY KEY (file_id)
  CREATE INDEX damaged_files_of_tenant ON filemill.damaged_files USING btree (tenant_id, found_at DESC)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant delete, insert, select, update to filemill_system

table deleted_jobs
  job_id uuid not null
  tenant_id uuid not null
  pipeline_name text not null
  steps jsonb not null
  deleted_at timestamp with time zone not null default now()
  looked_at timestamp with time zone not null default now()
  constraint deleted_jobs_pkey PRIMARY KEY (job_id)
  constraint deleted_jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  CREATE INDEX deleted_jobs_to_look_at ON filemill.deleted_jobs USING btree (looked_at)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, select to filemill_system

table events
  id bigint not null identity
  xid xid8 not null default pg_current_xact_id()
  tenant_id uuid not null
  job_id uuid
  type text not null
  data jsonb not null
  created_at timestamp with time zone not null default now()
  constraint events_pkey PRIMARY KEY (id)
  CREATE INDEX events_in_order ON filemill.events USING btree (xid, id)
  CREATE INDEX events_of_job ON filemill.events USING btree (job_id, xid, id) WHERE (job_id IS NOT NULL)
  CREATE INDEX events_of_tenant ON filemill.events USING btree (tenant_id, xid, id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select to filemill_system

table file_sources
  file_id uuid not null
  tenant_id uuid not null
  job_id uuid not null
  kind text not null
  identity bytea not null
  location text not null
  size_bytes bigint not null
  etag text
  modified_at timestamp with time zone
  collected_at timestamp with time zone not null default now()
  constraint file_sources_file_id_fkey FOREIGN KEY (file_id) REFERENCES filemill.files(id) ON DELETE CASCADE
  constraint file_sources_identity_check CHECK ((octet_length(identity) = 32))
  constraint file_sources_pkey PRIMARY KEY (file_id)
  CREATE INDEX file_sources_by_identity ON filemill.file_sources USING btree (tenant_id, identity, collected_at)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant delete, insert, select, update to filemill_system

table file_walks
  name text not null
  holder uuid
  lease_until timestamp with time zone
  cursor uuid
  cycle_started_at timestamp with time zone
  cycle_finished_at timestamp with time zone
  figures jsonb not null default '{}'::jsonb
  last_figures jsonb
  constraint file_walks_pkey PRIMARY KEY (name)
  owner filemill_owner, with fillfactor=50
  grant delete, insert, select, update to filemill_system

table filemill_migrations
  number integer not null
  file text not null
  sha256 text not null
  applied_at timestamp with time zone not null default now()
  constraint filemill_migrations_pkey PRIMARY KEY (number)
  owner filemill_owner
  grant select to filemill_system

table files
  id uuid not null
  tenant_id uuid not null
  name text not null
  size_bytes bigint not null
  sha256 bytea not null
  media_type text not null
  origin text not null
  status text not null default 'stored'::text
  job_id uuid
  step text
  metadata jsonb not null default '{}'::jsonb
  created_at timestamp with time zone not null default now()
  deleted_at timestamp with time zone
  expires_at timestamp with time zone
  held_at timestamp with time zone
  hold_reason text
  last_read_at timestamp with time zone
  storage_class text not null default 'hot'::text
  restoring_since timestamp with time zone
  constraint files_name_check CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1024)))
  constraint files_origin_check CHECK ((origin = ANY (ARRAY['upload'::text, 'output'::text, 'intermediate'::text])))
  constraint files_pkey PRIMARY KEY (id)
  constraint files_sha256_check CHECK ((octet_length(sha256) = 32))
  constraint files_size_bytes_check CHECK ((size_bytes >= 0))
  constraint files_status_check CHECK ((status = ANY (ARRAY['uploading'::text, 'stored'::text, 'quarantined'::text, 'deleted'::text])))
  constraint files_storage_class CHECK ((storage_class = ANY (ARRAY['hot'::text, 'cold'::text, 'archive'::text]))) NOT VALID
  constraint files_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  CREATE INDEX files_by_job ON filemill.files USING btree (job_id) WHERE (job_id IS NOT NULL)
  CREATE INDEX files_by_metadata ON filemill.files USING gin (metadata jsonb_path_ops) WHERE (metadata <> '{}'::jsonb)
  CREATE INDEX files_expiring ON filemill.files USING btree (expires_at, id) WHERE ((expires_at IS NOT NULL) AND (status = ANY (ARRAY['stored'::text, 'quarantined'::text])))
  CREATE INDEX files_intermediate ON filemill.files USING btree (id) WHERE ((origin = 'intermediate'::text) AND (status = 'stored'::text))
  CREATE INDEX files_listed ON filemill.files USING btree (tenant_id, created_at DESC, id DESC) WHERE ((status = 'stored'::text) AND (origin <> 'intermediate'::text))
  CREATE INDEX files_restoring ON filemill.files USING btree (restoring_since) WHERE (restoring_since IS NOT NULL)
  CREATE INDEX files_tombstones ON filemill.files USING btree (deleted_at) WHERE ((origin = 'intermediate'::text) AND (status = 'deleted'::text) AND (job_id IS NULL))
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table idempotency_keys
  tenant_id uuid not null
  key text not null
  request_sha256 bytea not null
  status smallint not null
  answer jsonb not null
  created_at timestamp with time zone not null default now()
  constraint idempotency_keys_key_check CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 255)))
  constraint idempotency_keys_pkey PRIMARY KEY (tenant_id, key)
  constraint idempotency_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  CREATE INDEX idempotency_keys_by_age ON filemill.idempotency_keys USING btree (created_at)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table inline_objects
  file_id uuid not null
  tenant_id uuid not null
  content bytea not null
  encoding smallint not null default 0
  constraint inline_objects_file_id_fkey FOREIGN KEY (file_id) REFERENCES filemill.files(id) ON DELETE CASCADE
  constraint inline_objects_pkey PRIMARY KEY (file_id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table item_exceptions
  task_id uuid not null
  ordinal integer not null
  tenant_id uuid not null
  job_id uuid not null
  stage smallint not null
  status text not null
  step text
  code text not null
  message text not null
  created_at timestamp with time zone not null default now()
  constraint item_exceptions_pkey PRIMARY KEY (task_id, ordinal)
  constraint item_exceptions_status_check CHECK ((status = ANY (ARRAY['dead'::text, 'skipped'::text])))
  CREATE INDEX item_exceptions_of_job ON filemill.item_exceptions USING btree (job_id, ordinal)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table job_dependencies
  job_id uuid not null
  after_job_id uuid not null
  tenant_id uuid not null
  outcome text
  seen boolean not null default false
  constraint job_dependencies_job_id_fkey FOREIGN KEY (job_id) REFERENCES filemill.jobs(id) ON DELETE CASCADE
  constraint job_dependencies_outcome_check CHECK ((outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text])))
  constraint job_dependencies_pkey PRIMARY KEY (job_id, after_job_id)
  CREATE INDEX job_dependencies_open ON filemill.job_dependencies USING btree (after_job_id) WHERE (outcome IS NULL)
  CREATE INDEX job_dependencies_unseen ON filemill.job_dependencies USING btree (job_id) WHERE ((outcome IS NOT NULL) AND (NOT seen))
  owner filemill_owner, row security forced, with fillfactor=80, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=500
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table job_holds
  job_id uuid not null
  tenant_id uuid not null
  worker_id uuid not null
  held_until timestamp with time zone not null
  taken_at timestamp with time zone not null default now()
  constraint job_holds_pkey PRIMARY KEY (job_id)
  owner filemill_owner, row security forced, with fillfactor=50
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant delete, insert, select, update to filemill_system

table job_sources
  job_id uuid not null
  tenant_id uuid not null
  kind text not null
  spec jsonb not null
  cursor jsonb
  listed bigint not null default 0
  collected bigint not null default 0
  unchanged bigint not null default 0
  collected_bytes bigint not null default 0
  constraint job_sources_job_id_fkey FOREIGN KEY (job_id) REFERENCES filemill.jobs(id) ON DELETE CASCADE
  constraint job_sources_pkey PRIMARY KEY (job_id)
  owner filemill_owner, row security forced, with fillfactor=40
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table job_specs
  job_id uuid not null
  tenant_id uuid not null
  document jsonb not null
  params jsonb not null
  plan jsonb not null
  metadata jsonb not null
  constraint job_specs_job_id_fkey FOREIGN KEY (job_id) REFERENCES filemill.jobs(id) ON DELETE CASCADE
  constraint job_specs_pkey PRIMARY KEY (job_id)
  CREATE INDEX job_specs_by_metadata ON filemill.job_specs USING gin (metadata jsonb_path_ops) WHERE (metadata <> '{}'::jsonb)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table job_stages
  job_id uuid not null
  stage smallint not null
  tenant_id uuid not null
  kind text not null
  status text not null default 'open'::text
  open_tasks integer not null default 0
  open_feeders smallint not null default 0
  items_in bigint not null default 0
  items_succeeded bigint not null default 0
  items_skipped bigint not null default 0
  items_dead bigint not null default 0
  items_moved bigint not null default 0
  dead_tasks integer not null default 0
  leaves bigint
  constraint job_stages_job_id_fkey FOREIGN KEY (job_id) REFERENCES filemill.jobs(id) ON DELETE CASCADE
  constraint job_stages_kind_check CHECK ((kind = ANY (ARRAY['source'::text, 'map'::text, 'tree'::text, 'gather'::text])))
  constraint job_stages_open_feeders_check CHECK ((open_feeders >= 0))
  constraint job_stages_open_tasks_check CHECK ((open_tasks >= 0))
  constraint job_stages_pkey PRIMARY KEY (job_id, stage)
  constraint job_stages_status_check CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text, 'cancelled'::text])))
  owner filemill_owner, row security forced, with fillfactor=40, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=500, autovacuum_analyze_scale_factor=0.02, autovacuum_analyze_threshold=500, autovacuum_vacuum_cost_limit=400
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select, update to filemill_app
  grant delete, insert, select, update to filemill_system

table job_waits
  job_id uuid not null
  tenant_id uuid not null
  policy text not null
  inputs_from jsonb not null
  source jsonb
  settled_at timestamp with time zone
  error jsonb
  constraint job_waits_job_id_fkey FOREIGN KEY (job_id) REFERENCES filemill.jobs(id) ON DELETE CASCADE
  constraint job_waits_pkey PRIMARY KEY (job_id)
  constraint job_waits_policy_check CHECK ((policy = ANY (ARRAY['completed'::text, 'finished'::text])))
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table jobs
  id uuid not null
  tenant_id uuid not null
  status text not null default 'queued'::text
  priority smallint not null default 0
  pipeline_name text not null
  pipeline_version integer
  input_items integer not null
  input_bytes bigint not null default 0
  next_ordinal integer not null
  created_at timestamp with time zone not null default now()
  started_at timestamp with time zone
  finished_at timestamp with time zone
  sweeping boolean not null default false
  constraint jobs_pkey PRIMARY KEY (id)
  constraint jobs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
  constraint jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  CREATE INDEX jobs_listed ON filemill.jobs USING btree (tenant_id, created_at DESC, id DESC)
  CREATE INDEX jobs_open ON filemill.jobs USING btree (tenant_id, status) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]))
  CREATE INDEX jobs_sweeping ON filemill.jobs USING btree (finished_at) WHERE sweeping
  owner filemill_owner, row security forced, with fillfactor=60, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=500, autovacuum_analyze_scale_factor=0.02, autovacuum_analyze_threshold=500, autovacuum_vacuum_cost_limit=400
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

view lane_backlog
  lane text
  ready bigint
  running bigint
  owner filemill_owner, with security_invoker=true
  grant select to filemill_system
  as SELECT lane, (sum(ready))::bigint AS ready, (sum(running))::bigint AS running FROM ( SELECT tasks.lane, count(*) AS ready, 0 AS running FROM filemill.tasks WHERE ((tasks.status = 'ready'::text) AND (NOT tasks.backing_off)) GROUP BY tasks.lane UNION ALL SELECT tasks.lane, count(*) AS count, 0 FROM filemill.tasks WHERE ((tasks.status = 'ready'::text) AND tasks.backing_off) GROUP BY tasks.lane UNION ALL SELECT tasks.lane, 0, count(*) AS count FROM filemill.tasks WHERE (tasks.status = 'running'::text) GROUP BY tasks.lane) counted GROUP BY lane;

table link_epochs
  tenant_id uuid not null
  object_id uuid not null
  epoch integer not null
  constraint link_epochs_epoch_check CHECK ((epoch > 0))
  constraint link_epochs_pkey PRIMARY KEY (tenant_id, object_id)
  constraint link_epochs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, select to filemill_system

table metric_sources
  id uuid not null
  sequence integer not null
  metrics jsonb not null
  ended boolean not null default false
  folded boolean not null default false
  told_at timestamp with time zone not null default now()
  constraint metric_sources_pkey PRIMARY KEY (id)
  owner filemill_owner, with fillfactor=50
  grant delete, insert, select, update to filemill_system

table metric_totals
  metric text not null
  type text not null
  help text not null
  name text not null
  labels text not null
  value double precision not null
  constraint metric_totals_pkey PRIMARY KEY (name, labels)
  constraint metric_totals_type_check CHECK ((type = ANY (ARRAY['counter'::text, 'histogram'::text])))
  owner filemill_owner, with fillfactor=50
  grant delete, insert, select, update to filemill_system

table object_keys
  object_id uuid not null
  tenant_id uuid not null
  kek_id uuid not null
  kek_version integer not null
  wrapped_dek bytea not null
  constraint object_keys_pkey PRIMARY KEY (object_id)
  constraint object_keys_tenant_id_kek_id_kek_version_fkey FOREIGN KEY (tenant_id, kek_id, kek_version) REFERENCES filemill.tenant_keys(tenant_id, id, version)
  CREATE INDEX object_keys_of_kek ON filemill.object_keys USING btree (kek_id, kek_version)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table outputs
  job_id uuid not null
  ordinal integer not null
  step text not null
  part integer not null
  tenant_id uuid not null
  task_id uuid not null
  epoch integer not null
  file_id uuid not null
  processor text not null
  processor_version text not null
  kept boolean not null
  inputs uuid[] not null
  reused_from uuid
  constraint outputs_pkey PRIMARY KEY (job_id, ordinal, step, task_id, part)
  CREATE INDEX outputs_by_file ON filemill.outputs USING btree (file_id)
  CREATE INDEX outputs_by_input ON filemill.outputs USING btree ((inputs[1]), job_id)
  CREATE INDEX outputs_by_task ON filemill.outputs USING btree (task_id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, select to filemill_app
  grant delete, insert, select, update to filemill_system

table pipeline_triggers
  tenant_id uuid not null
  pipeline_name text not null
  triggers jsonb not null
  takes_outputs boolean not null
  constraint pipeline_triggers_pkey PRIMARY KEY (tenant_id, pipeline_name)
  constraint pipeline_triggers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table pipelines
  id uuid not null
  tenant_id uuid not null
  name text not null
  version integer not null
  document jsonb not null
  created_at timestamp with time zone not null default now()
  deleted_at timestamp with time zone
  constraint pipelines_pkey PRIMARY KEY (id)
  constraint pipelines_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  constraint pipelines_tenant_id_name_version_key UNIQUE (tenant_id, name, version)
  constraint pipelines_version_check CHECK ((version > 0))
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table quota_reservations
  id uuid not null
  tenant_id uuid not null
  bytes bigint not null
  files bigint not null
  lease_until timestamp with time zone not null
  constraint quota_reservations_bytes_check CHECK ((bytes >= 0))
  constraint quota_reservations_files_check CHECK ((files >= 0))
  constraint quota_reservations_pkey PRIMARY KEY (id)
  constraint quota_reservations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id) ON DELETE CASCADE
  CREATE INDEX quota_reservations_of_tenant ON filemill.quota_reservations USING btree (tenant_id)
  owner filemill_owner, row security forced, with fillfactor=70
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, select to filemill_app
  grant delete, insert, select, update to filemill_system

table root_keys
  version text not null
  created_at timestamp with time zone not null default now()
  constraint root_keys_pkey PRIMARY KEY (version)
  owner filemill_owner
  grant insert, select to filemill_system

table schedules
  id uuid not null
  tenant_id uuid not null
  name text not null
  job jsonb not null
  cron text not null
  time_zone text not null
  missed text not null
  overlap text not null
  created_at timestamp with time zone not null default now()
  updated_at timestamp with time zone not null default now()
  next_run_at timestamp with time zone
  paused boolean not null default false
  last_due_at timestamp with time zone
  last_outcome text
  last_job_id uuid
  error jsonb
  constraint schedules_last_outcome_check CHECK ((last_outcome = ANY (ARRAY['started'::text, 'skipped'::text, 'failed'::text])))
  constraint schedules_missed_check CHECK ((missed = ANY (ARRAY['skip'::text, 'run_once'::text, 'run_all'::text])))
  constraint schedules_name_check CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 63)))
  constraint schedules_overlap_check CHECK ((overlap = ANY (ARRAY['allow'::text, 'skip'::text])))
  constraint schedules_pkey PRIMARY KEY (id)
  constraint schedules_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  constraint schedules_tenant_id_name_key UNIQUE (tenant_id, name)
  CREATE INDEX schedules_due ON filemill.schedules USING btree (next_run_at) WHERE (next_run_at IS NOT NULL)
  owner filemill_owner, row security forced, with fillfactor=50, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=500
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table segments
  file_id uuid not null
  ordinal integer not null
  tenant_id uuid not null
  store text not null
  object_key text not null
  size_bytes bigint not null
  encoding smallint not null default 0
  object_id uuid
  constraint segments_check CHECK (starts_with(object_key, ((tenant_id)::text || '/'::text)))
  constraint segments_file_id_fkey FOREIGN KEY (file_id) REFERENCES filemill.files(id) ON DELETE CASCADE
  constraint segments_object_key_key UNIQUE (object_key)
  constraint segments_ordinal_check CHECK ((ordinal >= 0))
  constraint segments_pkey PRIMARY KEY (file_id, ordinal)
  constraint segments_size_bytes_check CHECK ((size_bytes > 0))
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table source_items
  id uuid not null
  tenant_id uuid not null
  job_id uuid not null
  identity bytea not null
  location text not null
  name text not null
  size_bytes bigint
  etag text
  modified_at timestamp with time zone
  file_id uuid
  constraint source_items_identity_check CHECK ((octet_length(identity) = 32))
  constraint source_items_pkey PRIMARY KEY (id)
  CREATE INDEX source_items_of_job ON filemill.source_items USING btree (job_id, identity)
  owner filemill_owner, row security forced, with fillfactor=80, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=1000, autovacuum_analyze_scale_factor=0.02, autovacuum_analyze_threshold=1000, autovacuum_vacuum_cost_limit=400
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, select to filemill_app
  grant delete, insert, select, update to filemill_system

table stage_arrivals
  id uuid not null
  tenant_id uuid not null
  job_id uuid not null
  stage smallint not null
  ordinals integer[] not null
  parents integer[] not null
  files uuid[] not null
  from_steps text[] not null
  constraint stage_arrivals_pkey PRIMARY KEY (id)
  CREATE INDEX stage_arrivals_of_stage ON filemill.stage_arrivals USING btree (job_id, stage)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select, update to filemill_app
  grant delete, insert, select, update to filemill_system

table task_inputs
  task_id uuid not null
  tenant_id uuid not null
  job_id uuid not null
  ordinals integer[] not null
  parents integer[] not null
  files uuid[] not null
  from_steps text[] not null
  reduce boolean not null default false
  constraint task_inputs_pkey PRIMARY KEY (task_id)
  CREATE INDEX task_inputs_of_job ON filemill.task_inputs USING btree (job_id)
  CREATE INDEX task_inputs_of_reduces ON filemill.task_inputs USING gin (files) WITH (fastupdate=off) WHERE reduce
  owner filemill_owner, row security forced, with autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=1000, autovacuum_analyze_scale_factor=0.02, autovacuum_analyze_threshold=1000, autovacuum_vacuum_cost_limit=400
  policy of_owner for select to filemill_owner using (true)
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select, update to filemill_app
  grant delete, insert, select, update to filemill_system

table tasks
  id uuid not null
  tenant_id uuid not null
  job_id uuid not null
  stage smallint not null
  kind text not null
  lane text not null default 'default'::text
  status text not null
  rank smallint not null default 0
  items integer not null
  item_from integer not null
  item_to integer not null
  tree_level smallint
  tree_node bigint
  tree_root boolean
  epoch integer not null default 0
  attempts smallint not null default 0
  losses smallint not null default 0
  handbacks smallint not null default 0
  max_attempts smallint not null default 3
  backing_off boolean not null default false
  run_at timestamp with time zone not null default now()
  worker_id uuid
  lease_until timestamp with time zone
  created_at timestamp with time zone not null default now()
  started_at timestamp with time zone
  finished_at timestamp with time zone
  error jsonb
  weight smallint not null default 1
  items_done integer not null default 0
  constraint tasks_kind_check CHECK ((kind = ANY (ARRAY['source'::text, 'map'::text, 'tree'::text, 'gather'::text])))
  constraint tasks_pkey PRIMARY KEY (id)
  constraint tasks_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'ready'::text, 'running'::text, 'succeeded'::text, 'dead'::text, 'cancelled'::text])))
  constraint tasks_weight_check CHECK (((weight >= 1) AND (weight <= 64)))
  CREATE INDEX tasks_backing_off ON filemill.tasks USING btree (run_at) WHERE ((status = 'ready'::text) AND backing_off)
  CREATE INDEX tasks_begun ON filemill.tasks USING btree (job_id) WHERE ((status = 'ready'::text) AND (epoch > 0))
  CREATE INDEX tasks_dead ON filemill.tasks USING btree (tenant_id, finished_at) WHERE (status = 'dead'::text)
  CREATE INDEX tasks_of_job ON filemill.tasks USING btree (job_id, item_from, id)
  CREATE INDEX tasks_ready ON filemill.tasks USING btree (lane, tenant_id, rank, id) WHERE ((status = 'ready'::text) AND (NOT backing_off))
  CREATE INDEX tasks_running ON filemill.tasks USING btree (tenant_id, lane) WHERE (status = 'running'::text)
  CREATE INDEX tasks_wide ON filemill.tasks USING btree (job_id, item_to) WHERE ((item_to - item_from) >= 1000)
  owner filemill_owner, row security forced, with fillfactor=85, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_insert_scale_factor=0.05, autovacuum_analyze_scale_factor=0.02, autovacuum_analyze_threshold=1000, autovacuum_vacuum_cost_limit=400
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select, update to filemill_app
  grant delete, insert, select, update to filemill_system

table tenant_keys
  tenant_id uuid not null
  id uuid not null
  version integer not null
  root_version text not null
  wrapped_key bytea not null
  created_at timestamp with time zone not null default now()
  retired_at timestamp with time zone
  constraint tenant_keys_pkey PRIMARY KEY (tenant_id, id, version)
  constraint tenant_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  constraint tenant_keys_version_check CHECK ((version > 0))
  CREATE UNIQUE INDEX tenant_keys_current ON filemill.tenant_keys USING btree (tenant_id) WHERE (retired_at IS NULL)
  CREATE INDEX tenant_keys_retired ON filemill.tenant_keys USING btree (retired_at) WHERE (retired_at IS NOT NULL)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table tenant_quotas
  tenant_id uuid not null
  limit_bytes bigint
  limit_files bigint
  warned_percent smallint not null default 0
  constraint tenant_quotas_limit_bytes_check CHECK ((limit_bytes >= 0))
  constraint tenant_quotas_limit_files_check CHECK ((limit_files >= 0))
  constraint tenant_quotas_pkey PRIMARY KEY (tenant_id)
  constraint tenant_quotas_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id) ON DELETE CASCADE
  owner filemill_owner, row security forced, with fillfactor=50
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant delete, insert, select, update to filemill_system

table tenants
  id uuid not null
  name text not null
  weight integer not null default 1
  max_running integer
  created_at timestamp with time zone not null default now()
  retention_seconds bigint
  constraint tenants_max_running_check CHECK ((max_running > 0))
  constraint tenants_name_key UNIQUE (name)
  constraint tenants_pkey PRIMARY KEY (id)
  constraint tenants_retention CHECK ((retention_seconds > 0))
  constraint tenants_weight_check CHECK (((weight >= 1) AND (weight <= 100)))
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant insert, select, update to filemill_system

table tree_nodes
  job_id uuid not null
  stage smallint not null
  level smallint not null
  node bigint not null
  tenant_id uuid not null
  expected integer not null
  arrived integer not null
  slots bigint[] not null
  files uuid[] not null
  constraint tree_nodes_pkey PRIMARY KEY (job_id, stage, level, node)
  owner filemill_owner, row security forced, with fillfactor=60, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=500, autovacuum_analyze_scale_factor=0.02, autovacuum_analyze_threshold=500, autovacuum_vacuum_cost_limit=400
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select, update to filemill_app
  grant delete, insert, select, update to filemill_system

table triggered_jobs
  job_id uuid not null
  tenant_id uuid not null
  depth smallint not null
  constraint triggered_jobs_depth_check CHECK ((depth > 0))
  constraint triggered_jobs_job_id_fkey FOREIGN KEY (job_id) REFERENCES filemill.jobs(id) ON DELETE CASCADE
  constraint triggered_jobs_pkey PRIMARY KEY (job_id)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table upload_links
  id uuid not null
  tenant_id uuid not null
  max_bytes bigint not null
  name text
  media_types text[] not null
  pipeline jsonb
  metadata jsonb not null default '{}'::jsonb
  created_at timestamp with time zone not null default now()
  expires_at timestamp with time zone not null
  used_at timestamp with time zone
  file_id uuid
  job_id uuid
  constraint upload_links_check CHECK (((used_at IS NULL) = (file_id IS NULL)))
  constraint upload_links_max_bytes_check CHECK ((max_bytes >= 0))
  constraint upload_links_name_check CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1024)))
  constraint upload_links_pkey PRIMARY KEY (id)
  constraint upload_links_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  CREATE INDEX upload_links_by_expiry ON filemill.upload_links USING btree (expires_at)
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, select to filemill_system

table upload_segments
  upload_id uuid not null
  ordinal integer not null
  tenant_id uuid not null
  store text not null
  object_key text not null
  size_bytes bigint not null
  encoding smallint not null default 0
  object_id uuid
  constraint upload_segments_check CHECK (starts_with(object_key, ((tenant_id)::text || '/'::text)))
  constraint upload_segments_object_key_key UNIQUE (object_key)
  constraint upload_segments_ordinal_check CHECK ((ordinal >= 0))
  constraint upload_segments_pkey PRIMARY KEY (upload_id, ordinal)
  constraint upload_segments_size_bytes_check CHECK ((size_bytes > 0))
  constraint upload_segments_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES filemill.uploads(id) ON DELETE CASCADE
  owner filemill_owner, row security forced
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant delete, insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table uploads
  id uuid not null
  tenant_id uuid not null
  file_id uuid not null
  kind text not null default 'single'::text
  status text not null default 'open'::text
  actor text not null
  name text not null
  metadata jsonb not null default '{}'::jsonb
  pipeline jsonb
  sent_metadata text
  sent_concat text
  length bigint
  upload_offset bigint not null default 0
  segments integer not null default 0
  hash_state bytea
  hashed_bytes bigint not null default 0
  job_id uuid
  created_at timestamp with time zone not null default now()
  expires_at timestamp with time zone not null
  finished_at timestamp with time zone
  lock_holder uuid
  lock_epoch integer not null default 0
  lock_until timestamp with time zone
  lock_wanted_at timestamp with time zone
  file_expires_at timestamp with time zone
  job_problem jsonb
  constraint uploads_check CHECK ((length >= upload_offset))
  constraint uploads_file_id_key UNIQUE (file_id)
  constraint uploads_kind_check CHECK ((kind = ANY (ARRAY['single'::text, 'partial'::text, 'final'::text])))
  constraint uploads_pkey PRIMARY KEY (id)
  constraint uploads_status_check CHECK ((status = ANY (ARRAY['open'::text, 'completed'::text, 'joined'::text, 'terminated'::text, 'expired'::text])))
  constraint uploads_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id)
  constraint uploads_upload_offset_check CHECK ((upload_offset >= 0))
  CREATE INDEX uploads_ended ON filemill.uploads USING btree (finished_at) WHERE (finished_at IS NOT NULL)
  CREATE INDEX uploads_expiring ON filemill.uploads USING btree (expires_at) WHERE ((status = 'open'::text) OR ((status = 'completed'::text) AND (kind = 'partial'::text)))
  CREATE INDEX uploads_open ON filemill.uploads USING btree (tenant_id, created_at DESC, id DESC) WHERE (status = 'open'::text)
  owner filemill_owner, row security forced, with fillfactor=60
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant insert, select to filemill_app
  grant delete, insert, select, update to filemill_system

table usage_changes
  tenant_id uuid not null
  storage_class text not null
  bytes bigint not null
  files bigint not null
  CREATE INDEX usage_changes_of_tenant ON filemill.usage_changes USING btree (tenant_id)
  owner filemill_owner, row security forced, with autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_limit=400
  policy of_owner for insert to filemill_owner check (true)
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant delete, select to filemill_system

table usage_totals
  tenant_id uuid not null
  storage_class text not null
  bytes bigint not null
  files bigint not null
  constraint usage_totals_pkey PRIMARY KEY (tenant_id, storage_class)
  constraint usage_totals_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES filemill.tenants(id) ON DELETE CASCADE
  owner filemill_owner, row security forced, with fillfactor=50
  policy of_system for all to filemill_system using (true) check (true)
  policy of_tenant for all to filemill_app using ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting))) check ((tenant_id = ( SELECT (current_setting('filemill.tenant'::text))::uuid AS current_setting)))
  grant select to filemill_app
  grant insert, select, update to filemill_system

table workers
  id uuid not null
  host text not null
  pid integer not null
  lanes text[] not null
  slots integer not null
  status text not null default 'up'::text
  started_at timestamp with time zone not null default now()
  seen_at timestamp with time zone not null default now()
  constraint workers_pkey PRIMARY KEY (id)
  constraint workers_status_check CHECK ((status = ANY (ARRAY['up'::text, 'draining'::text, 'gone'::text, 'lost'::text])))
  owner filemill_owner, with fillfactor=50
  grant delete, insert, select, update to filemill_system

CREATE OR REPLACE FUNCTION filemill.count_changed_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN INSERT INTO usage_changes (tenant_id, storage_class, bytes, files) SELECT tenant_id, storage_class, sum(bytes), sum(files) FROM ( SELECT tenant_id, storage_class, size_bytes AS bytes, 1 AS files FROM new_rows WHERE is_counted(status, origin) UNION ALL SELECT tenant_id, storage_class, -size_bytes, -1 FROM old_rows WHERE is_counted(status, origin)) AS change GROUP BY 1, 2 HAVING sum(bytes) <> 0 OR sum(files) <> 0; RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.count_gone_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN INSERT INTO usage_changes (tenant_id, storage_class, bytes, files) SELECT tenant_id, storage_class, -sum(size_bytes), -count(*) FROM old_rows WHERE is_counted(status, origin) GROUP BY 1, 2; RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.count_new_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN INSERT INTO usage_changes (tenant_id, storage_class, bytes, files) SELECT tenant_id, storage_class, sum(size_bytes), count(*) FROM new_rows WHERE is_counted(status, origin) GROUP BY 1, 2; RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.delete_inline_keys() RETURNS trigger LANGUAGE plpgsql SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN DELETE FROM object_keys USING gone WHERE gone.encoding <> 0 AND object_keys.object_id = gone.file_id AND object_keys.tenant_id = gone.tenant_id; RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.delete_segment_keys() RETURNS trigger LANGUAGE plpgsql SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN DELETE FROM object_keys USING gone WHERE object_keys.object_id = gone.object_id AND object_keys.tenant_id = gone.tenant_id; RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.is_counted(status text, origin text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN ((status = ANY (ARRAY['stored'::text, 'quarantined'::text])) AND (origin <> 'intermediate'::text))
CREATE OR REPLACE FUNCTION filemill.note_arrived_files() RETURNS trigger LANGUAGE plpgsql SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN INSERT INTO arrived_files (tenant_id, file_id) SELECT new_rows.tenant_id, new_rows.id FROM new_rows WHERE new_rows.status = 'stored' AND new_rows.origin <> 'intermediate' AND EXISTS ( SELECT FROM pipeline_triggers WHERE pipeline_triggers.tenant_id = new_rows.tenant_id AND (new_rows.origin = 'upload' OR pipeline_triggers.takes_outputs)); RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.note_ended_job() RETURNS trigger LANGUAGE plpgsql SET search_path TO 'filemill', 'pg_temp' AS $function$ BEGIN UPDATE job_dependencies SET outcome = NEW.status WHERE after_job_id = NEW.id AND outcome IS NULL; RETURN NULL; END $function$
CREATE OR REPLACE FUNCTION filemill.reduces_of(given uuid[], most integer) RETURNS TABLE(input uuid, task_id uuid) LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path TO 'filemill', 'pg_temp' SET enable_seqscan TO 'off' AS $function$ SELECT asked.id, found.task_id FROM unnest(given) AS asked(id) CROSS JOIN LATERAL ( SELECT task_inputs.task_id FROM task_inputs WHERE reduce AND files @> ARRAY[asked.id] AND tenant_id = current_setting('filemill.tenant')::uuid LIMIT most) AS found LIMIT most $function$
