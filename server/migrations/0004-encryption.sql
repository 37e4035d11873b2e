-- Keys: root keys are kept outside; under them lie the tenants' keys, and under these one data key for each stored object.

SET LOCAL search_path = filemill;

-- Every version of a root key that this installation has used. Whoever starts with a key that is none of these has lost the
-- right one, or would begin a second, separate set of keys.
CREATE TABLE root_keys (
  version text PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenant_keys (
  tenant_id uuid NOT NULL REFERENCES tenants,
  -- The same in all versions of the key.
  id uuid NOT NULL,
  version int NOT NULL CHECK (version > 0),
  -- Under which version of the root key the secret is wrapped now.
  root_version text NOT NULL,
  wrapped_key bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Since when nothing new is wrapped under it.
  retired_at timestamptz,
  PRIMARY KEY (tenant_id, id, version)
);
CREATE UNIQUE INDEX tenant_keys_current ON tenant_keys (tenant_id) WHERE retired_at IS NULL;
CREATE INDEX tenant_keys_retired ON tenant_keys (retired_at) WHERE retired_at IS NOT NULL;

-- Apart from the objects and from their rows, so that a rotation changes nothing else, and deleting this row is erasing.
CREATE TABLE object_keys (
  object_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  kek_id uuid NOT NULL,
  kek_version int NOT NULL,
  wrapped_dek bytea NOT NULL,
  -- No version of a key goes while a row needs it, whoever forgets to look.
  FOREIGN KEY (tenant_id, kek_id, kek_version) REFERENCES tenant_keys
);
-- Few different values: 7 bytes a row.
CREATE INDEX object_keys_of_kek ON object_keys (kek_id, kek_version);

-- Null where the object is plain. An inline object has the id of its file.
ALTER TABLE segments ADD COLUMN object_id uuid;

-- The key goes with the content, whichever statement deletes that.
CREATE FUNCTION delete_segment_keys() RETURNS trigger LANGUAGE plpgsql SET search_path = filemill, pg_temp AS $$
BEGIN
  DELETE FROM object_keys USING gone WHERE object_keys.object_id = gone.object_id AND object_keys.tenant_id = gone.tenant_id;
  RETURN NULL;
END $$;
CREATE FUNCTION delete_inline_keys() RETURNS trigger LANGUAGE plpgsql SET search_path = filemill, pg_temp AS $$
BEGIN
  DELETE FROM object_keys USING gone
  WHERE gone.encoding <> 0 AND object_keys.object_id = gone.file_id AND object_keys.tenant_id = gone.tenant_id;
  RETURN NULL;
END $$;
CREATE TRIGGER delete_keys AFTER DELETE ON segments REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_segment_keys();
CREATE TRIGGER delete_keys AFTER DELETE ON inline_objects REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_inline_keys();

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenant_keys', 'object_keys']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

-- Only the engine rotates: what serves a tenant changes and destroys no key of a key.
GRANT SELECT, INSERT ON tenant_keys TO filemill_app;
GRANT SELECT, INSERT, DELETE ON object_keys TO filemill_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_keys, object_keys TO filemill_system;
GRANT SELECT, INSERT ON root_keys TO filemill_system;
