#include "adapters/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

enum { ATTEMPTS_BYTES = 400 }; /* of an error line: what is said of the addresses tried */

struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char host[PH_TCP_HOST_BYTES];
    char service[8];
};

static int64_t left_ms(int64_t deadline_ms)
{
    const int64_t left = deadline_ms - ph_clock_monotonic_ms();
    return left > 0 ? left : 0;
}

enum ph_err ph_tcp_wait(int fd, short events, int64_t deadline_ms, struct ph_error *error)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    for (;;) {
        const int64_t left = left_ms(deadline_ms);
        const int timeout = left < INT32_MAX ? (int)left : INT32_MAX;
        const int count = left > 0 ? poll(&wanted, 1, timeout) : 0;
        if (count > 0) {
            return PH_OK;
        }
        if (left == 0) {
            return ph_error_set(error, PH_ERR_UNAVAILABLE, "no answer in time");
        }
        if (count < 0 && errno != EINTR) {
            return ph_error_set_errno(error, errno, "poll");
        }
    }
}

/* EAI_INPROGRESS when the time is over. */
static int wait_for_lookup(struct lookup *lookup, int64_t deadline_ms)
{
    const struct gaicb *const list[] = {&lookup->request};
    int rc = gai_error(&lookup->request);
    for (int64_t left = left_ms(deadline_ms); rc == EAI_INPROGRESS && left > 0;
         left = left_ms(deadline_ms)) {
        const struct timespec wait = {
            .tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        (void)gai_suspend(list, 1, &wait);
        rc = gai_error(&lookup->request);
    }
    return rc;
}

static enum ph_err explain_lookup(int rc, struct ph_error *error)
{
    if (rc == EAI_INPROGRESS) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE,
            "resolve: no answer in time: the name server does not answer, see /etc/resolv.conf");
    }
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "resolve: %s: check the name, and this machine's name server", gai_strerror(rc));
}

static enum ph_err resolve(const char *host, uint16_t port, int64_t deadline_ms,
    struct addrinfo **out, struct ph_error *error)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "resolve: out of memory");
    }
    if (!ph_text_copy(lookup->host, sizeof lookup->host, host)) {
        free(lookup);
        return ph_error_set(
            error, PH_ERR_USAGE, "resolve: want a name of at most %d bytes", PH_TCP_HOST_BYTES - 1);
    }
    (void)snprintf(lookup->service, sizeof lookup->service, "%u", (unsigned)port);
    lookup->hints = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    lookup->request = (struct gaicb){
        .ar_name = lookup->host, .ar_service = lookup->service, .ar_request = &lookup->hints};
    struct gaicb *list[] = {&lookup->request};
    int rc = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (rc == 0) {
        rc = wait_for_lookup(lookup, deadline_ms);
    }
    *out = rc == 0 ? lookup->request.ar_result : NULL;
    if (rc != EAI_INPROGRESS || gai_cancel(&lookup->request) == EAI_CANCELED) {
        free(lookup);
    }
    return rc == 0 ? PH_OK : explain_lookup(rc, error);
}

/* 0 when it is connected, or why not. */
static int connect_by(int fd, const struct addrinfo *address, int64_t deadline_ms)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    if (ph_tcp_wait(fd, POLLOUT, deadline_ms, NULL) != PH_OK) {
        return ETIMEDOUT;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == 0 ? errnum : errno;
}

static int try_address(const struct addrinfo *address, int64_t deadline_ms, int *out)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    const int errnum = connect_by(fd, address, deadline_ms);
    if (errnum == 0) {
        *out = fd;
    } else {
        (void)close(fd);
    }
    return errnum;
}

static void note_attempt(struct ph_buf *attempts, const struct addrinfo *address, int errnum)
{
    char name[64];
    char text[128];
    if (getnameinfo(address->ai_addr, address->ai_addrlen, name, sizeof name, NULL, 0,
            NI_NUMERICHOST) != 0) {
        ph_text_escape(name, sizeof name, "?");
    }
    /* further ones have no room: the first will do */
    (void)!ph_buf_printf(attempts, "%s%s: %s", attempts->len > 0 ? ", " : "", name,
        strerror_r(errnum, text, sizeof text));
}

static const char *advice(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return "nothing listens there: is the broker running, is it this port?";
    case ETIMEDOUT:
        return "no answer in time: is a firewall between, is the machine up?";
    default:
        return "check address and routes";
    }
}

static int64_t share_ms(const struct addrinfo *address, int64_t deadline_ms)
{
    int64_t count = 0;
    for (; address != NULL; address = address->ai_next) {
        count++;
    }
    return ph_clock_monotonic_ms() + left_ms(deadline_ms) / count;
}

static enum ph_err try_all(
    const struct addrinfo *addresses, int64_t deadline_ms, int *fd, struct ph_error *error)
{
    struct ph_buf attempts;
    ph_buf_init(&attempts, ATTEMPTS_BYTES);
    int errnum = EADDRNOTAVAIL;
    for (const struct addrinfo *a = addresses; a != NULL && errnum != 0; a = a->ai_next) {
        errnum = try_address(a, share_ms(a, deadline_ms), fd);
        if (errnum != 0) {
            note_attempt(&attempts, a, errnum);
        }
    }
    const enum ph_err err =
        errnum == 0 ? PH_OK
                    : ph_error_set(error, PH_ERR_UNAVAILABLE, "TCP: %s: %s",
                          attempts.len > 0 ? attempts.data : "no address", advice(errnum));
    ph_buf_fini(&attempts);
    return err;
}

enum ph_err ph_tcp_open(
    const char *host, uint16_t port, int64_t deadline_ms, int *fd, struct ph_error *error)
{
    struct addrinfo *addresses = NULL;
    enum ph_err err = resolve(host, port, deadline_ms, &addresses, error);
    if (err == PH_OK) {
        err = try_all(addresses, deadline_ms, fd, error);
        freeaddrinfo(addresses);
    }
    return err;
}
