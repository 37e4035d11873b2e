-- Signed links: who has one needs no key. What a link allows stands in the link itself; here is only what can't.

SET LOCAL search_path = filemill;

-- How often links to a file, to an upload link's own id, or, under the tenant's id, to all of these were revoked. A link holds
-- the sum of the tenant's number and its object's: both only grow, so that a sum which has changed never comes back.
CREATE TABLE link_epochs (
  tenant_id uuid NOT NULL REFERENCES tenants,
  object_id uuid NOT NULL,
  epoch int NOT NULL CHECK (epoch > 0),
  PRIMARY KEY (tenant_id, object_id)
);

-- Links by which somebody may send one file, once.
CREATE TABLE upload_links (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  max_bytes bigint NOT NULL CHECK (max_bytes >= 0),
  -- Null: whoever sends the file names it.
  name text CHECK (octet_length(name) BETWEEN 1 AND 1024),
  -- Patterns such as image/*; empty for any.
  media_types text[] NOT NULL,
  -- {pipeline, params}, to be run over the file; null for none.
  pipeline jsonb,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  -- In the transaction that records the file.
  used_at timestamptz,
  file_id uuid,
  job_id uuid,
  CHECK ((used_at IS NULL) = (file_id IS NULL))
);
CREATE INDEX upload_links_by_expiry ON upload_links (expires_at);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['link_epochs', 'upload_links']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT ON link_epochs, upload_links TO filemill_app;
GRANT UPDATE (epoch) ON link_epochs TO filemill_app;
-- What was allowed stays as it was.
GRANT UPDATE (used_at, file_id, job_id) ON upload_links TO filemill_app;
GRANT SELECT, DELETE ON link_epochs, upload_links TO filemill_system;
