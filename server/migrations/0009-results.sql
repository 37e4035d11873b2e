-- What came from what, asked from either end, and results that are used again.

SET LOCAL search_path = filemill;

--------------------------------------------------------------------------------------------------------------- lineage

-- The file whose stored content was used again instead of running the step; the output itself where that was its input, handed
-- on unchanged. NULL: the step ran.
ALTER TABLE outputs ADD COLUMN reused_from uuid;

-- What a file became. A map's outputs have one input, a reduce's stand in task_inputs; job_id puts the answer in an order that
-- stays when it is cut off.
CREATE INDEX outputs_by_input ON outputs ((inputs[1]), job_id);

-- Those of trees and gathers, which are all that has to be found by one of its files: of maps, the outputs tell. An index
-- over all tasks would cost every submission of a million items a million entries. Reduces from before this are not found.
ALTER TABLE task_inputs ADD COLUMN reduce boolean NOT NULL DEFAULT false;
-- Without the pending list, which every look-up would read through: up to 4 MB.
CREATE INDEX task_inputs_of_reduces ON task_inputs USING gin (files) WITH (fastupdate = off) WHERE reduce;

-- An operator over arrays is not leakproof, so that under a row policy no index serves it. This looks with the eyes of the
-- owner, who has a policy for that alone, and says the tenant itself. Where nothing is known of the table yet, a few rows
-- behind a LIMIT look cheap to read all of it for.
CREATE POLICY of_owner ON task_inputs FOR SELECT TO filemill_owner USING (true);
CREATE FUNCTION reduces_of(given uuid[], most int) RETURNS TABLE (input uuid, task_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path = filemill, pg_temp SET enable_seqscan = off
  AS $$
    SELECT asked.id, found.task_id
    FROM unnest(given) AS asked(id) CROSS JOIN LATERAL (
      SELECT task_inputs.task_id FROM task_inputs
      WHERE reduce AND files @> ARRAY[asked.id] AND tenant_id = current_setting('filemill.tenant')::uuid
      LIMIT most) AS found
    LIMIT most
  $$;
REVOKE ALL ON FUNCTION reduces_of(uuid[], int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reduces_of(uuid[], int) TO filemill_app;

-- A job that was deleted while files that it made are still there: its rows in outputs and those of its reduces in task_inputs
-- stay, so that the files' history does, and this is what else that history tells. Ended by lifecycle/end-histories.ts.
CREATE TABLE deleted_jobs (
  job_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  pipeline_name text NOT NULL,
  -- By step: the steps that ran in one go up to it, each with processor, version and parameters_sha256.
  steps jsonb NOT NULL,
  deleted_at timestamptz NOT NULL DEFAULT now(),
  looked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_jobs_to_look_at ON deleted_jobs (looked_at);

----------------------------------------------------------------------------------------------------------- result cache

-- What the steps of a stage made of one entry (of a reduce: of all): by an HMAC under a key of the tenant over processors, versions,
-- parameters and inputs. Says where the result is, and keeps nothing alive: an entry of which a file is gone is no entry.
CREATE TABLE cached_results (
  tenant_id uuid NOT NULL,
  key bytea NOT NULL CHECK (octet_length(key) = 32),
  -- One place an output, in the order in which they were emitted: the step's place in its stage, and the file.
  steps smallint[] NOT NULL,
  -- The nil uuid: the input, handed on unchanged.
  files uuid[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX cached_results_by_expiry ON cached_results (expires_at);

------------------------------------------------------------------------------------------------------ who may see what

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['deleted_jobs', 'cached_results']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_tenant ON %I TO filemill_app USING (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting(''filemill.tenant'')::uuid))', name);
    EXECUTE format('CREATE POLICY of_system ON %I TO filemill_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT ON deleted_jobs TO filemill_app;
GRANT SELECT ON cached_results TO filemill_app;
GRANT SELECT, UPDATE (looked_at), DELETE ON deleted_jobs TO filemill_system;
GRANT SELECT, INSERT, UPDATE (steps, files, created_at, expires_at), DELETE ON cached_results TO filemill_system;
