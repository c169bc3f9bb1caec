/* A child process that runs a function of this program, and what the kernel says of a process. */
#ifndef PH_FLEET_PROCESS_H
#define PH_FLEET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* What the child does; its return value is the exit status. Neither buffers of stdio nor handlers
 * of atexit() are run after it. */
typedef int ph_process_main(void *context);

/* Forks a child: with every signal at its default and none blocked, in a process group of its own,
 * so that the terminal's signals reach the parent alone, and told to end (SIGTERM) when the parent
 * dies, however. Its output goes to `output_fd`, its input is empty. The parent has no other
 * thread. PH_ERR_UNAVAILABLE when there can be no further process. */
enum ph_err ph_process_start(ph_process_main *work, void *context, int output_fd, pid_t *pid,
    struct ph_error *error) PH_NODISCARD;

/* What waitpid() says, in words: "ended by signal 9", "ended with status 74", "ended before its
 * time" for status 0. */
void ph_process_print_status(char *out, size_t size, int status);

/* Memory, zeroed, that is the same for this process and those that it starts later; NULL when there
 * is none. Its size is given again to release it; NULL is accepted. */
void *ph_process_share(size_t bytes);
void ph_process_unshare(void *memory, size_t bytes);

struct ph_process_usage {
    int64_t cpu_ms; /* user and system, of all its threads */
    int64_t rss_bytes;
    uint64_t born; /* ticks since the machine booted: tells it from a later one with its number */
};

/* Reads /proc; false when the process is gone. */
bool ph_process_usage(pid_t pid, struct ph_process_usage *usage);

#endif
