/* For tests: a private PostgreSQL server in a folder of its own, reached through a Unix socket, and
 * through TCP on the loopback where a test asks for it. As root it runs as "postgres" or "nobody",
 * because the server refuses root; it ends with the test program however that ends. Every function
 * aborts the test on failure, and the folder with the server's log is then kept. */
#ifndef PH_ADAPTERS_POSTGRES_TESTBED_H
#define PH_ADAPTERS_POSTGRES_TESTBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a test returns that was skipped (CTest's SKIP_RETURN_CODE). */
#define PG_TESTBED_SKIPPED 77

struct pg_testbed {
    char dir[64]; /* data/, log, the socket, and what a test puts there */
    char bindir[256];
    uint16_t port;
    pid_t server; /* 0: not running */
};

/* False when this machine has no PostgreSQL server; says so on standard output. */
bool pg_testbed_available(void);

/* Makes the folder, with an empty cluster that trusts everybody who reaches its socket. */
void pg_testbed_init(struct pg_testbed *testbed);

/* Makes the folder, with a copy of the running `primary` that will follow it. */
void pg_testbed_init_standby(struct pg_testbed *testbed, const struct pg_testbed *primary);

/* Ends the server (immediately) and removes the folder, unless `failed` or PH_KEEP is set. */
void pg_testbed_fini(struct pg_testbed *testbed, bool failed);

/* Starts the server and waits until it answers. `settings` are further lines of postgresql.conf, or
 * "". It does not write through to the disk unless they say fsync = on. Port and socket stay the
 * same from start to start. */
void pg_testbed_start(struct pg_testbed *testbed, const char *settings);

/* Ends the server and waits for it: SIGINT is pg_ctl's "fast", SIGQUIT its "immediate", and SIGKILL
 * takes all its sessions with it, as a power failure would. */
void pg_testbed_stop(struct pg_testbed *testbed, int signal_number);

/* Makes a standby the primary, and waits until it is. */
void pg_testbed_promote(const struct pg_testbed *testbed);

/* Makes an empty schema (ph_1, ph_2, ...); `uri` leads to it, through the socket. */
#define PG_TESTBED_URI_BYTES 256
void pg_testbed_schema(const struct pg_testbed *testbed, char uri[PG_TESTBED_URI_BYTES]);

/* Runs a shell command as the server's user, in the folder, with the server's programs in PATH and
 * libpq's environment set to this server; its exit status. */
int pg_testbed_run(const struct pg_testbed *testbed, const char *command);

/* What psql prints for the SQL, run in the schema of that URI: columns separated by '|', "-" for
 * NULL, each row ended by a newline; the caller frees it. */
char *pg_testbed_sql(const struct pg_testbed *testbed, const char *uri, const char *sql);

#endif
