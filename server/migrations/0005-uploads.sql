-- Resumable uploads: what has come so far, and which request may add to it.

SET LOCAL search_path = filemill;

CREATE TABLE uploads (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  -- The file that it becomes; its objects lie under this id from the first byte on.
  file_id uuid NOT NULL UNIQUE,
  -- single: becomes a file by itself. partial: waits to be concatenated. final: made of partials.
  kind text NOT NULL DEFAULT 'single' CHECK (kind IN ('single', 'partial', 'final')),
  -- open: takes bytes. completed: all are there (and, but for partials, the file is). joined: a partial whose bytes belong to
  -- a final. terminated: deleted by its client. expired: given up. Ended ones are kept for a while, to answer 410.
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'completed', 'joined', 'terminated', 'expired')),
  actor text NOT NULL,
  name text NOT NULL,
  -- Of the file and the job.
  metadata jsonb NOT NULL DEFAULT '{}',
  -- {pipeline, params} to be run over the file.
  pipeline jsonb,
  -- The headers Upload-Metadata and Upload-Concat as the client sent them, for its HEAD.
  sent_metadata text,
  sent_concat text,
  -- Unknown as long as it is deferred.
  length bigint CHECK (length >= upload_offset),
  -- Bytes that are durable and recorded in upload_segments; always their sum.
  upload_offset bigint NOT NULL DEFAULT 0 CHECK (upload_offset >= 0),
  segments int NOT NULL DEFAULT 0,
  -- State of SHA-256 over the first hashed_bytes. Behind upload_offset where the content was to come in one request and did
  -- not, or was concatenated: then the rest is read back when the upload ends.
  hash_state bytea,
  hashed_bytes bigint NOT NULL DEFAULT 0,
  job_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  finished_at timestamptz,
  -- The request that adds bytes. Its epoch fences every write: whoever takes the lock over raises it.
  lock_holder uuid,
  lock_epoch int NOT NULL DEFAULT 0,
  lock_until timestamptz,
  -- Since when another request waits for the holder.
  lock_wanted_at timestamptz
) WITH (fillfactor = 60);
CREATE INDEX uploads_open ON uploads (tenant_id, created_at DESC, id DESC) WHERE status = 'open';
-- Completed partials wait for their final, and not for ever either.
CREATE INDEX uploads_expiring ON uploads (expires_at) WHERE status = 'open' OR status = 'completed' AND kind = 'partial';
CREATE INDEX uploads_ended ON uploads (finished_at) WHERE finished_at IS NOT NULL;

-- What segments are to files. They become those of the file when the upload is complete.
CREATE TABLE upload_segments (
  upload_id uuid NOT NULL REFERENCES uploads ON DELETE CASCADE,
  ordinal int NOT NULL CHECK (ordinal >= 0),
  tenant_id uuid NOT NULL,
  store text NOT NULL,
  object_key text NOT NULL UNIQUE CHECK (starts_with(object_key, tenant_id::text || '/')),
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  -- As in segments.
  encoding smallint NOT NULL DEFAULT 0,
  object_id uuid,
  PRIMARY KEY (upload_id, ordinal)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['uploads', 'upload_segments']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON uploads, upload_segments TO filemill_system;
GRANT SELECT, INSERT ON uploads TO filemill_app;
GRANT UPDATE (status, length, upload_offset, segments, hash_state, hashed_bytes, job_id, expires_at, finished_at,
  lock_holder, lock_epoch, lock_until, lock_wanted_at) ON uploads TO filemill_app;
GRANT SELECT, INSERT, DELETE ON upload_segments TO filemill_app;
