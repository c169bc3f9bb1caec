/* What a service tells the service manager that started it: that it is ready, how it is, that it
 * ends, and that it is alive. The protocol of sd_notify(3), datagrams to the socket that
 * $NOTIFY_SOCKET names; systemd's library is not needed for that. Without the variable, and so
 * without a manager, all of this does nothing. Used by one thread.
 *
 * Signs of life come from ph_notify_turn() alone, and so from the loop that calls it: once that
 * loop hangs they end, and the manager does as its configuration says. */
#ifndef PH_BASE_NOTIFY_H
#define PH_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

#define PH_NOTIFY_STATUS_BYTES 384

struct ph_notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t alive_every_ms; /* half of what the manager allows; 0: it wants no signs of life */
    int64_t alive_ms;       /* monotonic: the next one */
    int64_t status_ms;      /* not before */
    int64_t retry_ms;       /* the same for everything, after a failure */
    bool ready;
    bool ready_said;
    bool status_new;
    char status[PH_NOTIFY_STATUS_BYTES];
};

/* Reads $NOTIFY_SOCKET (a path, or @ and the name of an abstract socket), $WATCHDOG_USEC and
 * $WATCHDOG_PID, whose number must be this process's for the former to count. PH_OK without them;
 * PH_ERR_CONFIG when one cannot be made sense of. After an error nothing is ever sent; to be told
 * and passed over, since what was to be done can be done. */
enum ph_err ph_notify_open(struct ph_notify *notify, struct ph_error *error) PH_NODISCARD;

/* From the next turn on: the service does what it is for. Once is enough. */
void ph_notify_ready(struct ph_notify *notify);

/* What a person is to see of the service; one line, cut at PH_NOTIFY_STATUS_BYTES. Said at the next
 * turn, but not more often than once a second; the last one counts. */
void ph_notify_status(struct ph_notify *notify, const char *format, ...) PH_PRINTF(2, 3);

/* Says what is due. `alive` is false when the caller's loop turns while something that it waits for
 * has stopped: no sign of life then. What cannot be sent is tried again. `now_ms` is monotonic. */
void ph_notify_turn(struct ph_notify *notify, int64_t now_ms, bool alive);

/* How long the caller may sleep, at most `most_ms`, so that no sign of life is late. */
int64_t ph_notify_sleep_ms(const struct ph_notify *notify, int64_t now_ms, int64_t most_ms);

/* At once: it was told to end, and does. */
void ph_notify_stopping(struct ph_notify *notify);

/* How old the work of another thread may be for the service to count as alive: what the manager
 * allows, INT64_MAX when it does not ask. */
int64_t ph_notify_patience_ms(const struct ph_notify *notify);

void ph_notify_close(struct ph_notify *notify);

#endif
