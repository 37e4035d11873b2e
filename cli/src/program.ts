import { Command } from "commander";
import { adminLimits } from "./admin/limits.ts";
import { adminScrub } from "./admin/scrub.ts";
import { adminTenants } from "./admin/tenants.ts";
import { adminWorkers } from "./admin/workers.ts";
import type { Context } from "./context.ts";
import { doctor } from "./doctor/doctor.ts";
import { EXIT_CODES_HELP } from "./exit.ts";
import { filesExpire } from "./files/expire.ts";
import { filesGet } from "./files/get.ts";
import { filesHold, filesRelease } from "./files/hold.ts";
import { filesLineage } from "./files/lineage.ts";
import { filesLink } from "./files/link.ts";
import { filesList } from "./files/list.ts";
import { filesPut } from "./files/put.ts";
import { filesRestore } from "./files/restore.ts";
import { filesRemove } from "./files/rm.ts";
import { jobsCancel } from "./jobs/cancel.ts";
import { jobsRemove } from "./jobs/rm.ts";
import { jobsList } from "./jobs/list.ts";
import { jobsRetry } from "./jobs/retry.ts";
import { jobsShow } from "./jobs/show.ts";
import { jobsWatch } from "./jobs/watch.ts";
import { keysRotate } from "./keys/rotate.ts";
import { keysStatus } from "./keys/status.ts";
import { linksCreate } from "./links/create.ts";
import { linksRevoke } from "./links/revoke.ts";
import { linksShow } from "./links/show.ts";
import { pipelinesLint } from "./pipelines/lint.ts";
import { pipelinesList } from "./pipelines/list.ts";
import { pipelinesPut } from "./pipelines/put.ts";
import { pipelinesShow } from "./pipelines/show.ts";
import { claim } from "./platform/claim.ts";
import { up } from "./platform/up.ts";
import { worker } from "./platform/worker.ts";
import { processorsList } from "./processors/list.ts";
import { processorsShow } from "./processors/show.ts";
import { collect } from "./run/collect-files.ts";
import { run } from "./run/run.ts";
import { schedulesList } from "./schedules/list.ts";
import { schedulesNext } from "./schedules/next.ts";
import { schedulesPause, schedulesResume } from "./schedules/pause.ts";
import { schedulesPut } from "./schedules/put.ts";
import { schedulesRemove } from "./schedules/rm.ts";
import { schedulesRun } from "./schedules/run.ts";
import { schedulesShow } from "./schedules/show.ts";
import { tasksList } from "./tasks/list.ts";
import { tasksProfile } from "./tasks/profile.ts";
import { noun } from "./terminal/command.ts";
import { usage } from "./usage.ts";

const HELP = `
The server is found by FILEMILL_URL; unless that is set, by FILEMILL_HOST and FILEMILL_PORT as the platform on this
machine reads them (127.0.0.1 and 8080). The key is FILEMILL_KEY, else what the platform left in admin.key in its data
folder on this machine (FILEMILL_DATA_DIR).

Examples:
  filemill up
  filemill run photo-set holiday/*.jpg --out thumbnails
  filemill jobs list --json
${EXIT_CODES_HELP}`;

/** The whole command line. Commands throw; main() explains and decides the exit code. `complain` gets what Commander says. */
export function createProgram(context: Context, complain: (text: string) => void): Command {
  const program = new Command("filemill").description("Process files: upload them, run pipelines over them, collect the results.");
  program.addHelpText("after", HELP).showHelpAfterError("(add --help for the ways to use it)");
  program.addCommand(up(context));
  program.addCommand(run(context));
  program.addCommand(collect(context));
  program.addCommand(usage(context));
  program.addCommand(
    noun(
      "admin",
      "look after the whole installation (for operators)",
      [adminTenants, adminLimits, adminScrub, adminWorkers].map((make) => make(context)),
    ),
  );
  program.addCommand(
    noun(
      "files",
      "upload, list, download, link to, keep, delete",
      [filesPut, filesList, filesGet, filesRemove, filesLink, filesLineage, filesExpire, filesHold, filesRelease, filesRestore].map(
        (make) => make(context),
      ),
    ),
  );
  program.addCommand(
    noun(
      "jobs",
      "look at jobs and steer them",
      [jobsList, jobsShow, jobsWatch, jobsCancel, jobsRetry, jobsRemove].map((make) => make(context)),
    ),
  );
  program.addCommand(
    noun(
      "keys",
      "rotate encryption keys and see how they are wrapped",
      [keysStatus, keysRotate].map((make) => make(context)),
    ),
  );
  program.addCommand(
    noun(
      "links",
      "let somebody send a file without a key, and take links back",
      [linksCreate, linksShow, linksRevoke].map((make) => make(context)),
    ),
  );
  program.addCommand(
    noun(
      "pipelines",
      "look at pipelines, check and store them",
      [pipelinesList, pipelinesShow, pipelinesLint, pipelinesPut].map((make) => make(context)),
    ),
  );
  program.addCommand(
    noun(
      "processors",
      "what pipelines can use",
      [processorsList, processorsShow].map((make) => make(context)),
    ),
  );
  program.addCommand(
    noun(
      "schedules",
      "have jobs made at certain times",
      [schedulesList, schedulesShow, schedulesPut, schedulesRemove, schedulesPause, schedulesResume, schedulesRun, schedulesNext].map(
        (make) => make(context),
      ),
    ),
  );
  program.addCommand(
    noun(
      "tasks",
      "what the workers got of a job, and where its time went",
      [tasksList, tasksProfile].map((make) => make(context)),
    ),
  );
  program.addCommand(worker(context));
  program.addCommand(claim(context));
  program.addCommand(doctor(context));
  for (const command of everyCommand(program)) {
    command.exitOverride();
    command.configureOutput({ writeOut: (text) => void context.stdout.write(text), writeErr: complain });
  }
  return program;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}
