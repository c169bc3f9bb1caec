#include "device/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "format/stream.h"

enum { LINE_BYTES = PH_LIMIT_READING_BYTES + 128 };

enum ph_err ph_ledger_open(struct ph_ledger *ledger, const char *path, struct ph_error *error)
{
    *ledger = (struct ph_ledger){.path = path, .fd = -1};
    if (path == NULL) {
        return PH_OK;
    }
    ledger->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return ledger->fd >= 0 ? PH_OK : ph_error_set_errno(error, errno, "%s: open ledger", path);
}

void ph_ledger_close(struct ph_ledger *ledger)
{
    if (ledger->fd >= 0) {
        (void)close(ledger->fd);
        ledger->fd = -1;
    }
}

static enum ph_err write_all(
    const struct ph_ledger *ledger, const struct ph_buf *line, struct ph_error *error)
{
    ssize_t written = write(ledger->fd, line->data, line->len);
    if (written == (ssize_t)line->len) {
        return PH_OK;
    }
    return written < 0 ? ph_error_set_errno(error, errno, "%s: write ledger", ledger->path)
                       : ph_error_set(error, PH_ERR_IO,
                             "%s: write ledger: %zd of %zu bytes; free some disk space",
                             ledger->path, written, line->len);
}

static enum ph_err write_line(const struct ph_ledger *ledger, const char *head,
    const struct ph_spool_entry *entry, struct ph_error *error)
{
    struct ph_buf line;
    ph_buf_init(&line, LINE_BYTES);
    enum ph_err err =
        ph_buf_printf(&line, "%s %" PRId64 " %s\n", head, entry->time_ms, entry->json);
    err = err == PH_OK ? write_all(ledger, &line, error)
                       : ph_error_set(error, err, "%s: line cannot be made", ledger->path);
    ph_buf_fini(&line);
    return err;
}

enum ph_err ph_ledger_intend(
    const struct ph_ledger *ledger, const struct ph_spool_entry *entry, struct ph_error *error)
{
    return ledger->fd < 0 ? PH_OK : write_line(ledger, "intend", entry, error);
}

enum ph_err ph_ledger_captured(const struct ph_ledger *ledger, uint64_t stream, int64_t seq,
    const struct ph_spool_entry *entry, struct ph_error *error)
{
    char name[PH_STREAM_BYTES];
    char head[64];
    ph_stream_print(name, stream);
    (void)snprintf(head, sizeof head, "captured %s %" PRId64, name, seq);
    return ledger->fd < 0 ? PH_OK : write_line(ledger, head, entry, error);
}
