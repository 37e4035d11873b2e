-- Workers for one job, and measurements that outlive the process that made them.
SET LOCAL search_path = filemill;

-- Which job is in whose hands, so that of many one-job workers each takes another job. A hold decides nothing but that:
-- who may write is decided by the leases of tasks. Only one-job workers look here, so that ordinary claims pay nothing.
CREATE TABLE job_holds (
  job_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  -- Of a reservation, what must be shown to adopt it.
  worker_id uuid NOT NULL,
  held_until timestamptz NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
ALTER TABLE job_holds ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_holds FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON job_holds TO filemill_app USING (tenant_id = (SELECT current_setting('filemill.tenant')::uuid)) WITH CHECK (tenant_id = (SELECT current_setting('filemill.tenant')::uuid));
CREATE POLICY of_system ON job_holds TO filemill_system USING (true) WITH CHECK (true);
GRANT SELECT ON job_holds TO filemill_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON job_holds TO filemill_system;

-- What a process has counted since its start, as it told last: the whole and not what came on top, so that telling it twice
-- changes nothing. `folded`: its counts are in metric_totals; the row stays for a while, and refuses what comes late.
CREATE TABLE metric_sources (
  id uuid PRIMARY KEY,
  sequence int NOT NULL,
  -- [{name, type, help, samples: [{name, labels, value}]}]
  metrics jsonb NOT NULL,
  ended boolean NOT NULL DEFAULT false,
  folded boolean NOT NULL DEFAULT false,
  told_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE metric_totals (
  metric text NOT NULL,
  type text NOT NULL CHECK (type IN ('counter', 'histogram')),
  help text NOT NULL,
  -- Of a histogram also its _bucket, _sum and _count.
  name text NOT NULL,
  -- As Prometheus writes them between braces.
  labels text NOT NULL,
  value float8 NOT NULL,
  PRIMARY KEY (name, labels)
) WITH (fillfactor = 50);
-- Of no tenant: counts without names.
GRANT SELECT, INSERT, UPDATE, DELETE ON metric_sources, metric_totals TO filemill_system;
