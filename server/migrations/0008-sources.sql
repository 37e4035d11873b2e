-- Jobs whose inputs are collected from elsewhere: what was asked, how far it has come, which objects were found, and
-- where each collected file came from.

SET LOCAL search_path = filemill;

CREATE TABLE job_sources (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  kind text NOT NULL,
  -- As asked for; the addresses of a list go when all of it is listed, because they may hold signatures.
  spec jsonb NOT NULL,
  -- Where the next page begins; moved by the transaction that makes the items of the page before. NULL: at the start.
  cursor jsonb,
  listed bigint NOT NULL DEFAULT 0,
  collected bigint NOT NULL DEFAULT 0,
  unchanged bigint NOT NULL DEFAULT 0,
  collected_bytes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 40);

-- One row an object that was found: what the entries of collecting tasks name, until there is a file. The address goes
-- when the object is here; file_sources then has it without what may be secret in it.
CREATE TABLE source_items (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  -- SHA-256 over kind and full address: tells objects apart without keeping what may be secret in the address.
  identity bytea NOT NULL CHECK (octet_length(identity) = 32),
  location text NOT NULL,
  name text NOT NULL,
  size_bytes bigint,
  etag text,
  modified_at timestamptz,
  file_id uuid
) WITH (fillfactor = 80);
CREATE INDEX source_items_of_job ON source_items (job_id, identity);

CREATE TABLE file_sources (
  file_id uuid PRIMARY KEY REFERENCES files ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  -- The job that fetched it; later ones may have found it unchanged.
  job_id uuid NOT NULL,
  kind text NOT NULL,
  identity bytea NOT NULL CHECK (octet_length(identity) = 32),
  -- Without credentials and signatures.
  location text NOT NULL,
  size_bytes bigint NOT NULL,
  etag text,
  modified_at timestamptz,
  collected_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX file_sources_by_identity ON file_sources (tenant_id, identity, collected_at);

ALTER TABLE source_items SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_limit = 400);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['job_sources', 'source_items', 'file_sources']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON job_sources, source_items, file_sources TO filemill_system;
GRANT SELECT, INSERT ON job_sources TO filemill_app;
GRANT SELECT, DELETE ON source_items TO filemill_app;
GRANT SELECT ON file_sources TO filemill_app;
