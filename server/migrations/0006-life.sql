-- The life of a file once it is stored: how much a tenant may keep, when a file ends and what keeps it, in which class it
-- lies, and whether its bytes are still what they were.

SET LOCAL search_path = filemill;

----------------------------------------------------------------------------------------------------------- when it ends

-- How long files are kept that say nothing themselves; null: until somebody deletes them.
ALTER TABLE tenants ADD COLUMN retention_seconds bigint CONSTRAINT tenants_retention CHECK (retention_seconds > 0);

ALTER TABLE files
  ADD COLUMN expires_at timestamptz,
  -- A legal hold: the file can't be deleted, expired or erased.
  ADD COLUMN held_at timestamptz,
  ADD COLUMN hold_reason text,
  -- To the hour, of the last time that somebody fetched the content.
  ADD COLUMN last_read_at timestamptz,
  ADD COLUMN storage_class text NOT NULL DEFAULT 'hot',
  -- Since when a store brings the content back from its archive.
  ADD COLUMN restoring_since timestamptz;
-- NOT VALID: looking at every row that is there would keep everybody waiting for the lock, and all of them are 'hot'.
ALTER TABLE files ADD CONSTRAINT files_storage_class CHECK (storage_class IN ('hot', 'cold', 'archive')) NOT VALID;
CREATE INDEX files_expiring ON files (expires_at, id) WHERE expires_at IS NOT NULL AND status IN ('stored', 'quarantined');
GRANT UPDATE (expires_at, held_at, hold_reason, last_read_at) ON files TO filemill_app;

---------------------------------------------------------------------------------------------------------- how much it is

-- Used is what was counted (usage_totals) and what has changed since (usage_changes), read in one statement: exact at
-- every moment. Changes are rows of their own, so that transactions that store files never wait for each other at a
-- counter (32 clients inserting: 3,300 a second; with one shared counter row, 700). Rounds fold them into the totals.
CREATE TABLE usage_totals (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  storage_class text NOT NULL,
  bytes bigint NOT NULL,
  files bigint NOT NULL,
  PRIMARY KEY (tenant_id, storage_class)
) WITH (fillfactor = 50);

CREATE TABLE usage_changes (
  tenant_id uuid NOT NULL,
  storage_class text NOT NULL,
  bytes bigint NOT NULL,
  files bigint NOT NULL
);
CREATE INDEX usage_changes_of_tenant ON usage_changes (tenant_id);

-- Null: no limit. Whoever wants room under a limit locks this row first, so that two can't take the same room.
CREATE TABLE tenant_quotas (
  tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
  limit_bytes bigint CHECK (limit_bytes >= 0),
  limit_files bigint CHECK (limit_files >= 0),
  -- The highest share of the limit, in percent, that the tenant was warned of since it was last below.
  warned_percent smallint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Room taken before the bytes come. The transaction that records the files deletes the row: that is when reserved becomes
-- used. A row counts until it is deleted, also behind its lease: only who gets to delete it knows that nobody uses it.
CREATE TABLE quota_reservations (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  files bigint NOT NULL CHECK (files >= 0),
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX quota_reservations_of_tenant ON quota_reservations (tenant_id);

-- What counts: what people can see and delete. A file that only crosses a stage boundary does not.
CREATE FUNCTION is_counted(status text, origin text) RETURNS boolean LANGUAGE sql IMMUTABLE
  RETURN status IN ('stored', 'quarantined') AND origin <> 'intermediate';

-- Triggers, because a counter that each statement must remember to change is wrong after the first that forgets. As the
-- owner, so that no other role may change how much a tenant uses.
CREATE FUNCTION count_new_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = filemill, pg_temp AS $$
BEGIN
  INSERT INTO usage_changes (tenant_id, storage_class, bytes, files)
  SELECT tenant_id, storage_class, sum(size_bytes), count(*) FROM new_rows WHERE is_counted(status, origin) GROUP BY 1, 2;
  RETURN NULL;
END $$;

CREATE FUNCTION count_changed_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = filemill, pg_temp AS $$
BEGIN
  INSERT INTO usage_changes (tenant_id, storage_class, bytes, files)
  SELECT tenant_id, storage_class, sum(bytes), sum(files)
  FROM (
    SELECT tenant_id, storage_class, size_bytes AS bytes, 1 AS files FROM new_rows WHERE is_counted(status, origin)
    UNION ALL SELECT tenant_id, storage_class, -size_bytes, -1 FROM old_rows WHERE is_counted(status, origin)) AS change
  GROUP BY 1, 2 HAVING sum(bytes) <> 0 OR sum(files) <> 0;
  RETURN NULL;
END $$;

CREATE FUNCTION count_gone_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = filemill, pg_temp AS $$
BEGIN
  INSERT INTO usage_changes (tenant_id, storage_class, bytes, files)
  SELECT tenant_id, storage_class, -sum(size_bytes), -count(*) FROM old_rows WHERE is_counted(status, origin) GROUP BY 1, 2;
  RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION count_new_files, count_changed_files, count_gone_files FROM PUBLIC;
CREATE TRIGGER count_new AFTER INSERT ON files REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new_files();
CREATE TRIGGER count_changed AFTER UPDATE ON files REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_changed_files();
CREATE TRIGGER count_gone AFTER DELETE ON files REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_gone_files();

-- What is there already; the triggers above hold off writers until this commits (0.3 s for 1,000,000 files). The owner has
-- no policy on files, so that FORCE is lifted for the one statement.
ALTER TABLE files NO FORCE ROW LEVEL SECURITY;
INSERT INTO usage_totals (tenant_id, storage_class, bytes, files)
SELECT tenant_id, storage_class, sum(size_bytes), count(*) FROM files WHERE is_counted(status, origin) GROUP BY 1, 2;
ALTER TABLE files FORCE ROW LEVEL SECURITY;

------------------------------------------------------------------------------------------------------- rounds over files

-- Walks over all files (the scrub, the moves between classes): one process at a time by the lease, each from the cursor of
-- the one before it.
CREATE TABLE file_walks (
  name text PRIMARY KEY,
  holder uuid,
  lease_until timestamptz,
  cursor uuid,
  cycle_started_at timestamptz,
  cycle_finished_at timestamptz,
  -- Figures of the cycle under way, and of the last whole one.
  figures jsonb NOT NULL DEFAULT '{}',
  last_figures jsonb
) WITH (fillfactor = 50);

-- Files whose bytes could not be read as they were stored. One row a file, as it was last found.
CREATE TABLE damaged_files (
  file_id uuid PRIMARY KEY REFERENCES files ON DELETE CASCADE,
  tenant_id uuid NOT NULL,
  -- missing: a store does not have the object. damaged: it has other bytes.
  kind text NOT NULL CHECK (kind IN ('missing', 'damaged')),
  detail text NOT NULL,
  found_at timestamptz NOT NULL DEFAULT now(),
  -- When it was found to be right again.
  healed_at timestamptz
);
CREATE INDEX damaged_files_of_tenant ON damaged_files (tenant_id, found_at DESC);

------------------------------------------------------------------------------------------------------ who may see what

-- Every transaction that stores files adds rows here, and every fold deletes them.
ALTER TABLE usage_changes SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_limit = 400);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['usage_totals', 'usage_changes', 'tenant_quotas', 'quota_reservations', 'damaged_files']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
  END LOOP;
END $$;
-- The triggers' own.
CREATE POLICY of_owner ON usage_changes FOR INSERT TO filemill_owner WITH CHECK (true);

GRANT SELECT ON usage_totals, usage_changes, tenant_quotas, damaged_files TO filemill_app;
-- Who records files gives the room back in the same transaction.
GRANT SELECT, DELETE ON quota_reservations TO filemill_app;
GRANT SELECT, INSERT, UPDATE ON usage_totals TO filemill_system;
GRANT SELECT, DELETE ON usage_changes TO filemill_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_quotas, quota_reservations, file_walks, damaged_files TO filemill_system;
