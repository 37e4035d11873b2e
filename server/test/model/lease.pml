/*
 * Lease and epoch fence of one task, as queue/claim.ts, renew.ts, complete.ts, release.ts and reap.ts have it.
 *
 * Workers may stall between any two steps (SIGSTOP, a long garbage collection: a process that is not scheduled) and may
 * die at any step. A request to the database may be lost, its answer may be lost, and it may arrive a second time at
 * any later moment (a client that retries after an unclear commit). Every transaction is one atomic step.
 *
 * Time is what remains: `lease` is the rest of the database's lease, `rest[w]` what worker w still allows itself by its
 * own monotonic clock, counted from BEFORE it sent the request that was granted. A tick takes one from each.
 *
 * Safety (assertions): a completion takes effect at most once; none takes effect under an epoch that is not current;
 * no two workers believe at the same time that they hold the task.
 * Liveness (recovered, under weak fairness): a task that a dead worker holds does not stay running.
 *
 * Sabotages, each of which must give a counter-example: NO_FENCE (writes look at the status only), EAGER_REAPER (does
 * not look at the lease), LATE_CLOCK (a worker counts from the arrival of the answer), NO_REAPER (for the liveness).
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef LEASE
#define LEASE 2
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#define NOBODY 255

mtype = { READY, RUNNING, SUCCEEDED };
mtype = { IDLE, CLAIMING, WORKING, RENEWING, FINISHED, COMPLETING, RETURNING, DEAD };
mtype = { NONE, CLAIM, RENEW, COMPLETE, HAND_BACK, YES, NO };

/* The row of the task. */
mtype status = READY;
byte epoch = 0;
byte lease = 0;
byte owner = NOBODY;
byte completions = 0;

/* What each worker knows. */
mtype mode[WORKERS] = IDLE;
byte mine[WORKERS] = 0;
byte rest[WORKERS] = 0;
byte since[WORKERS] = 0;

/* On the way: a request, a second copy of an earlier one, an answer. */
mtype request[WORKERS] = NONE;
mtype copy[WORKERS] = NONE;
byte copied[WORKERS] = 0;
mtype answer[WORKERS] = NONE;
byte granted[WORKERS] = 0;

#define believes(w) (rest[w] > 0 && (mode[w] == WORKING || mode[w] == RENEWING || mode[w] == FINISHED))

inline one_holder() {
  holders = 0;
  i = 0;
  do
  :: i < WORKERS -> holders = holders + (believes(i) -> 1 : 0); i++
  :: else -> break
  od;
  i = 0;
  assert(holders <= 1);
  holders = 0
}

#ifdef NO_FENCE
#define current(e) (status == RUNNING)
#else
#define current(e) (status == RUNNING && epoch == e)
#endif

/* One transaction; `verdict` says whether it changed the row. */
inline execute(w, kind, e) {
  verdict = NO;
  if
  :: kind == CLAIM && status == READY && epoch < EPOCHS ->
       status = RUNNING; epoch++; lease = LEASE; owner = w; verdict = YES
  :: kind == RENEW && current(e) -> lease = LEASE; verdict = YES
  :: kind == COMPLETE && current(e) ->
       assert(e == epoch);
       completions++;
       assert(completions == 1);
       status = SUCCEEDED; lease = 0; owner = NOBODY; verdict = YES
  :: kind == HAND_BACK && current(e) ->
       assert(e == epoch);
       status = READY; lease = 0; owner = NOBODY; verdict = YES
  :: else -> skip
  fi
}

active proctype database() {
  byte w, i, holders;
  mtype verdict = NO;
end:
  do
  :: atomic {
       w = 0;
       do
       :: w < WORKERS - 1 -> w++
       :: break
       od;
       if
       :: request[w] != NONE ->
            if
            :: copy[w] == NONE -> copy[w] = request[w]; copied[w] = mine[w] /* it will arrive again, or late */
            :: skip
            fi;
            if
            :: execute(w, request[w], mine[w]);
               if
               :: answer[w] = verdict; granted[w] = (verdict == YES -> epoch : 0)
               :: skip /* the answer is lost */
               fi
            :: skip /* the request is lost */
            fi;
            request[w] = NONE
       :: request[w] == NONE && copy[w] != NONE ->
            execute(w, copy[w], copied[w]);
            copy[w] = NONE; copied[w] = 0
       :: else -> skip
       fi;
       w = 0; verdict = NO
     }
  od
}

active proctype reaper() {
end:
  do
#ifdef EAGER_REAPER
  :: atomic { status == RUNNING -> status = READY; lease = 0; owner = NOBODY }
#elif !defined(NO_REAPER)
  :: atomic { status == RUNNING && lease == 0 -> status = READY; owner = NOBODY }
#else
  :: false
#endif
  od
}

active proctype clock() {
  byte i;
end:
  do
  :: d_step {
       lease = (lease > 0 -> lease - 1 : 0);
       i = 0;
       do
       :: i < WORKERS ->
            rest[i] = (rest[i] > 0 -> rest[i] - 1 : 0);
            since[i] = (since[i] > 0 -> since[i] - 1 : 0);
            i++
       :: else -> break
       od;
       i = 0
     }
  od
}

inline send(w, kind, then) {
  request[w] = kind; since[w] = LEASE; mode[w] = then
}

inline take(w) {
#ifdef LATE_CLOCK
  rest[w] = LEASE;
#else
  rest[w] = since[w];
#endif
  since[w] = 0; answer[w] = NONE
}

/* Forgets all it knew; a new loop begins. A request not yet executed goes its way without it. */
inline idle(w) {
  mode[w] = IDLE; mine[w] = 0; rest[w] = 0; since[w] = 0; answer[w] = NONE; granted[w] = 0
}

proctype worker(byte w) {
  byte i, holders;
end:
  do
  :: atomic { mode[w] == IDLE && request[w] == NONE && status == READY -> send(w, CLAIM, CLAIMING) }
  :: atomic { mode[w] == CLAIMING && answer[w] == YES ->
       mine[w] = granted[w]; granted[w] = 0;
       take(w);
       if
       :: rest[w] > 0 -> mode[w] = WORKING
       :: else -> idle(w) /* the answer came too late: the lease may have ended */
       fi;
       one_holder() }
  :: atomic { mode[w] == CLAIMING && answer[w] == NO -> idle(w) }

  :: atomic { mode[w] == WORKING && rest[w] > 0 && request[w] == NONE -> send(w, RENEW, RENEWING) }
  :: atomic { mode[w] == RENEWING && answer[w] == YES -> take(w); granted[w] = 0; mode[w] = WORKING; one_holder() }
  :: atomic { mode[w] == RENEWING && answer[w] == NO -> idle(w) }
  :: atomic { mode[w] == RENEWING && request[w] == NONE && answer[w] == NONE -> since[w] = 0; mode[w] = WORKING }

  /* Its own clock says stop. It may also stall here and never look. */
  :: atomic { (mode[w] == WORKING || mode[w] == RENEWING) && rest[w] == 0 && request[w] == NONE -> idle(w) }

  /* It looks at its clock, then sends: whatever happens in between is for the fence. */
  :: atomic { mode[w] == WORKING && rest[w] > 0 && request[w] == NONE -> mode[w] = FINISHED }
  :: atomic { mode[w] == FINISHED -> send(w, COMPLETE, COMPLETING) }
  :: atomic { mode[w] == FINISHED -> send(w, HAND_BACK, RETURNING) }
  :: atomic { (mode[w] == COMPLETING || mode[w] == RETURNING) && answer[w] != NONE -> idle(w) }
  /* Nothing came back: it sends once more. */
  :: atomic { mode[w] == COMPLETING && request[w] == NONE && answer[w] == NONE -> send(w, COMPLETE, COMPLETING) }
  :: atomic { (mode[w] == CLAIMING || mode[w] == RETURNING) && request[w] == NONE && answer[w] == NONE -> idle(w) }

  :: atomic { mode[w] != DEAD -> idle(w); mode[w] = DEAD; break }
  od
}

init {
  byte w = 0;
  atomic {
    do
    :: w < WORKERS -> run worker(w); w++
    :: else -> break
    od
  }
}

#define held_by_dead (status == RUNNING && (owner == 0 && mode[0] == DEAD || owner == 1 && mode[1] == DEAD))

ltl recovered { [] (held_by_dead -> <> (status != RUNNING)) }
