#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/mosq_internal.h"
#include "base/text.h"

void ph_mosq_reason_set(struct ph_mosq *mosq, const char *text)
{
    ph_text_escape(mosq->reason, sizeof mosq->reason, text);
    size_t len = strlen(mosq->reason);
    while (len > 0 && mosq->reason[len - 1] == '.') {
        mosq->reason[--len] = '\0';
    }
}

void ph_mosq_reason_errno(struct ph_mosq *mosq, int errnum)
{
    char text[PH_MOSQ_REASON_BYTES];
    ph_mosq_reason_set(mosq, strerror_r(errnum, text, sizeof text));
}

/* "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed": only here is said
 * what was wrong with TLS. */
void ph_mosq_reason_log(struct ph_mosq *mosq, const char *text)
{
    char reason[PH_MOSQ_REASON_BYTES];
    const char *last = strrchr(text, ':');
    if (mosq->reason[0] != '\0') {
        return;
    }
    if (strncmp(text, "OpenSSL Error", 13) != 0 || last == NULL) {
        ph_mosq_reason_set(mosq, text + (strncmp(text, "Error: ", 7) == 0 ? 7 : 0));
        return;
    }
    (void)snprintf(reason, sizeof reason, "TLS: %s", last + 1 + strspn(last + 1, " "));
    ph_mosq_reason_set(mosq, reason);
}

/* To be asked before anything reads from the socket: that takes the error away. */
void ph_mosq_reason_socket(struct ph_mosq *mosq, int socket)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &errnum, &len) == 0 && errnum != 0 &&
        mosq->reason[0] == '\0') {
        ph_mosq_reason_errno(mosq, errnum);
    }
}

/* A failure below TLS is known by errno alone, once: libmosquitto takes it for a wait. */
void ph_mosq_reason_attempt(struct ph_mosq *mosq, int errnum)
{
    static const int failures[] = {
        ECONNREFUSED, ECONNRESET, EPIPE, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (errnum == failures[i] && mosq->state == PH_MOSQ_CONNECTING && mosq->reason[0] == '\0') {
            ph_mosq_reason_errno(mosq, errnum);
        }
    }
}
