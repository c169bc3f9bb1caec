#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum {
    STATUS_EVERY_MS = 1000, /* each one wakes whoever watches the manager */
    RETRY_MS = 100,
    MESSAGE_BYTES = PH_NOTIFY_STATUS_BYTES + 64,
};

/* ---- what the manager wants ---- */

static enum ph_err read_address(struct ph_notify *notify, const char *text, struct ph_error *error)
{
    struct sockaddr_un *address = &notify->address;
    size_t len = strlen(text);
    if (len < 2 || (text[0] != '/' && text[0] != '@')) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "NOTIFY_SOCKET: want a path, or @ and a name, have \"%s\": the service manager is told "
            "nothing",
            text);
    }
    if (len >= sizeof address->sun_path) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "NOTIFY_SOCKET: longer than the %zu bytes of a socket's name: the service manager is "
            "told nothing",
            sizeof address->sun_path - 1);
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, text, len);
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (text[0] == '@') { /* the name is the bytes, without a terminator */
        address->sun_path[0] = '\0';
        notify->address_len--;
    }
    return PH_OK;
}

static enum ph_err read_watchdog(struct ph_notify *notify, struct ph_error *error)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t whose = 0;
    int64_t allowed_us = 0;
    if (usec == NULL) {
        return PH_OK;
    }
    if (pid != NULL && !ph_text_to_int64(pid, 1, INT32_MAX, &whose)) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "WATCHDOG_PID: want the number of a process, have \"%s\"", pid);
    }
    if (!ph_text_to_int64(usec, 1, INT64_MAX, &allowed_us)) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "WATCHDOG_USEC: want microseconds from 1, have \"%s\"", usec);
    }
    if (pid == NULL || whose == getpid()) {
        notify->alive_every_ms = allowed_us >= 4000 ? allowed_us / 2000 : 1;
    }
    return PH_OK;
}

enum ph_err ph_notify_open(struct ph_notify *notify, struct ph_error *error)
{
    const char *where = getenv("NOTIFY_SOCKET");
    *notify = (struct ph_notify){.fd = -1};
    if (where == NULL) {
        return PH_OK;
    }
    enum ph_err err = read_address(notify, where, error);
    if (err == PH_OK) {
        err = read_watchdog(notify, error);
    }
    if (err != PH_OK) {
        return err;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return notify->fd >= 0 ? PH_OK
                           : ph_error_set_errno(error, errno, "NOTIFY_SOCKET: make a socket");
}

/* ---- saying it ---- */

static bool send_text(const struct ph_notify *notify, const char *text)
{
    size_t len = strlen(text);
    return sendto(notify->fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
               notify->address_len) == (ssize_t)len;
}

void ph_notify_ready(struct ph_notify *notify)
{
    notify->ready = true;
}

void ph_notify_status(struct ph_notify *notify, const char *format, ...)
{
    char text[PH_NOTIFY_STATUS_BYTES];
    char clean[PH_NOTIFY_STATUS_BYTES];
    va_list args;
    if (notify->fd < 0) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ph_text_escape(clean, sizeof clean, text);
    if (strcmp(clean, notify->status) != 0) {
        memcpy(notify->status, clean, sizeof clean);
        notify->status_new = true;
    }
}

/* The lines that are due, "" when none is. */
static void compose(char *out, size_t size, bool ready, const char *status, bool alive)
{
    (void)snprintf(out, size, "%s%s%s%s%s", ready ? "READY=1\n" : "",
        status != NULL ? "STATUS=" : "", status != NULL ? status : "", status != NULL ? "\n" : "",
        alive ? "WATCHDOG=1\n" : "");
}

void ph_notify_turn(struct ph_notify *notify, int64_t now_ms, bool alive)
{
    char text[MESSAGE_BYTES];
    if (notify->fd < 0 || now_ms < notify->retry_ms) {
        return;
    }
    bool ready = notify->ready && !notify->ready_said;
    bool status = notify->status_new && (ready || now_ms >= notify->status_ms);
    bool sign = notify->alive_every_ms > 0 && now_ms >= notify->alive_ms;
    if (sign && !alive) {
        sign = false;
        notify->alive_ms = now_ms + RETRY_MS;
    }
    compose(text, sizeof text, ready, status ? notify->status : NULL, sign);
    if (text[0] == '\0') {
        return;
    }
    if (!send_text(notify, text)) {
        notify->retry_ms = now_ms + RETRY_MS;
        return;
    }
    notify->ready_said = notify->ready_said || ready;
    if (status) {
        notify->status_new = false;
        notify->status_ms = now_ms + STATUS_EVERY_MS;
    }
    if (sign) {
        notify->alive_ms = now_ms + notify->alive_every_ms;
    }
}

int64_t ph_notify_sleep_ms(const struct ph_notify *notify, int64_t now_ms, int64_t most_ms)
{
    if (notify->fd < 0 || notify->alive_every_ms == 0) {
        return most_ms;
    }
    int64_t at_ms = notify->alive_ms > notify->retry_ms ? notify->alive_ms : notify->retry_ms;
    int64_t left_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    return left_ms < most_ms ? left_ms : most_ms;
}

void ph_notify_stopping(struct ph_notify *notify)
{
    char text[MESSAGE_BYTES];
    if (notify->fd >= 0) {
        (void)snprintf(text, sizeof text, "STOPPING=1\nSTATUS=Ending\n");
        (void)send_text(notify, text);
    }
}

int64_t ph_notify_patience_ms(const struct ph_notify *notify)
{
    return notify->fd >= 0 && notify->alive_every_ms > 0 ? 2 * notify->alive_every_ms : INT64_MAX;
}

void ph_notify_close(struct ph_notify *notify)
{
    if (notify->fd >= 0) {
        (void)close(notify->fd);
        notify->fd = -1;
    }
}
