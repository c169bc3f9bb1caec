#include "broker-plugin/audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/text.h"
#include "broker-plugin/audit/audit_line.h"
#include "broker-plugin/audit/audit_record.h"

#define TAIL_BYTES          65536 /* of the file's end that are read at the start */
#define FILE_MODE           0640
#define PROBLEM_INTERVAL_MS 60000

struct ph_audit {
    char *path; /* NULL: nothing is written */
    int fd;     /* -1: could not be opened */
    dev_t device;
    ino_t inode;
    off_t size;        /* what the file has at least, unless somebody else cut it */
    size_t torn_bytes; /* at the file's end: part of a line */
    struct ph_audit_head head;
    uint64_t lost;
    uint64_t lost_untold;
    bool failing;
    bool problem_due;
    bool problem_told;
    int64_t problem_told_ms;
    struct ph_error problem;
    struct ph_audit_line line;
};

/* ---- opening ---- */

/* Opens what is at the path and makes sure that nobody else writes to it. */
static enum ph_err open_file(const char *path, int *out, struct stat *st, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, FILE_MODE);
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s: open", path);
    }
    if (fstat(fd, st) != 0) {
        err = ph_error_set_errno(error, errno, "%s: stat", path);
    } else if (!S_ISREG(st->st_mode)) {
        err = ph_error_set(error, PH_ERR_CONFIG, "%s: audit: want a regular file", path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = ph_error_set(error, PH_ERR_BUSY,
            "%s: audit: another process writes to it; give each broker its own file", path);
    }
    if (err == PH_OK) {
        *out = fd;
    } else {
        (void)close(fd);
    }
    return err;
}

/* The file's last whole line, without its newline, and how many bytes stand behind it. */
static bool last_line(
    const char *tail, size_t len, const char **line, size_t *line_len, size_t *torn_bytes)
{
    const char *end = memrchr(tail, '\n', len);
    *torn_bytes = end != NULL ? len - (size_t)(end - tail) - 1 : len;
    if (end == NULL) {
        return false;
    }
    const char *before = memrchr(tail, '\n', (size_t)(end - tail));
    *line = before != NULL ? before + 1 : tail;
    *line_len = (size_t)(end - *line);
    return true;
}

static enum ph_err take_head(const char *path, const char *line, size_t len,
    struct ph_audit_head *head, struct ph_error *error)
{
    static const char advice[] = "move the file away, keep it, and look into it";
    struct ph_audit_record record = {.seq = 0};
    enum ph_err err = ph_audit_record_parse(line, len, &record, error);
    if (err == PH_ERR_MEMORY) {
        return err;
    }
    if (err != PH_OK) {
        ph_error_clear(error);
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s: audit: its last line is not an audit record; %s", path, advice);
    }
    if (!record.intact) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: audit: its last record was edited: the hash does not fit; %s", path, advice);
    } else {
        head->seq = record.seq;
        memcpy(head->hash, record.hash, sizeof head->hash);
    }
    ph_audit_record_fini(&record);
    return err;
}

/* Where the chain in the file ends; an empty file leaves *head alone. */
static enum ph_err find_head(int fd, const char *path, off_t size, struct ph_audit_head *head,
    size_t *torn_bytes, struct ph_error *error)
{
    static const char first[] = "{\"seq\":";
    size_t len = size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
    const char *line = NULL;
    size_t line_len = 0;
    enum ph_err err = PH_OK;
    char *tail = malloc(TAIL_BYTES);
    if (tail == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    if (pread(fd, tail, len, size - (off_t)len) != (ssize_t)len) {
        err = ph_error_set_errno(error, errno, "%s: read", path);
    } else if (last_line(tail, len, &line, &line_len, torn_bytes)) {
        err = take_head(path, line, line_len, head, error);
    } else if (memcmp(tail, first, len < sizeof first - 1 ? len : sizeof first - 1) != 0 ||
               len >= PH_AUDIT_LINE_BYTES) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: audit: not an audit file; move it away, or name another", path);
    }
    free(tail);
    return err;
}

/* A file that was rotated while the plugin did not run is continued by the next; whatever is wrong
 * with it, a new chain begins. */
static void find_rotated_head(struct ph_audit *audit)
{
    char *rotated = NULL;
    struct stat st;
    size_t ignored = 0;
    if (asprintf(&rotated, "%s.1", audit->path) < 0) {
        return;
    }
    int fd = open(rotated, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        find_head(fd, rotated, st.st_size, &audit->head, &ignored, NULL) != PH_OK) {
        audit->head = (struct ph_audit_head){.hash = PH_AUDIT_NO_HASH};
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(rotated);
}

static void adopt(struct ph_audit *audit, int fd, const struct stat *st)
{
    if (audit->fd >= 0) {
        (void)close(audit->fd);
    }
    audit->fd = fd;
    audit->device = st->st_dev;
    audit->inode = st->st_ino;
    audit->size = st->st_size;
}

static enum ph_err open_first(struct ph_audit *audit, struct ph_error *error)
{
    struct stat st;
    int fd = -1;
    enum ph_err err = open_file(audit->path, &fd, &st, error);
    if (err != PH_OK) {
        return err;
    }
    adopt(audit, fd, &st);
    if (st.st_size == 0) {
        find_rotated_head(audit);
        return PH_OK;
    }
    return find_head(fd, audit->path, st.st_size, &audit->head, &audit->torn_bytes, error);
}

/* ---- writing ---- */

static void note_problem(struct ph_audit *audit, const struct ph_error *error)
{
    if (!audit->failing && !audit->problem_due) {
        audit->problem = *error;
        audit->problem_due = true;
    }
    audit->failing = true;
}

/* Takes back what a write left; when even that fails, it is told as torn. */
static void undo(struct ph_audit *audit, size_t bytes)
{
    struct stat st;
    if (fstat(audit->fd, &st) != 0 || st.st_size < (off_t)bytes ||
        ftruncate(audit->fd, st.st_size - (off_t)bytes) != 0) {
        audit->torn_bytes += bytes;
    }
}

/* One writev(2), so that nothing comes between a torn line's end and what tells of it. */
static enum ph_err write_line(struct ph_audit *audit, struct ph_error *error)
{
    char newline = '\n';
    struct iovec parts[] = {
        {.iov_base = &newline, .iov_len = audit->torn_bytes > 0 ? 1 : 0},
        {.iov_base = audit->line.text, .iov_len = audit->line.len},
    };
    size_t len = parts[0].iov_len + parts[1].iov_len;
    ssize_t put = -1;
    do {
        put = writev(audit->fd, parts, 2);
    } while (put < 0 && errno == EINTR);
    if (put == (ssize_t)len) {
        audit->size += put;
        audit->torn_bytes = 0;
        return PH_OK;
    }
    enum ph_err err =
        ph_error_set_errno(error, put < 0 ? errno : ENOSPC, "%s: audit: write", audit->path);
    if (put > 0) {
        undo(audit, (size_t)put);
    }
    return err;
}

static bool append(
    struct ph_audit *audit, int64_t now_ms, const char *event, const struct ph_log_field *fields)
{
    struct ph_audit_head head = audit->head;
    struct ph_error error = {0};
    enum ph_err err =
        ph_audit_line_make(&audit->line, &head, now_ms, event, fields)
            ? write_line(audit, &error)
            : ph_error_set(&error, PH_ERR_MEMORY, "%s: audit: out of memory", audit->path);
    if (err != PH_OK) {
        note_problem(audit, &error);
        return false;
    }
    audit->head = head;
    audit->failing = false;
    return true;
}

/* What went wrong before is told first. False when that cannot be written either. */
static bool tell_faults(struct ph_audit *audit, int64_t now_ms)
{
    const struct ph_log_field torn[] = {PH_INT("bytes", audit->torn_bytes), PH_LOG_END};
    const struct ph_log_field lost[] = {PH_INT("records", audit->lost_untold), PH_LOG_END};
    if (audit->torn_bytes > 0 && !append(audit, now_ms, "torn", torn)) {
        return false;
    }
    if (audit->lost_untold > 0) {
        if (!append(audit, now_ms, "lost", lost)) {
            return false;
        }
        audit->lost_untold = 0;
    }
    return true;
}

void ph_audit_write(
    struct ph_audit *audit, int64_t now_ms, const char *event, const struct ph_log_field *fields)
{
    if (audit->path == NULL) {
        return;
    }
    if (!tell_faults(audit, now_ms) || !append(audit, now_ms, event, fields)) {
        audit->lost++;
        audit->lost_untold++;
    }
}

/* ---- life ---- */

enum ph_err ph_audit_open(
    const char *path, int64_t now_ms, struct ph_audit **out, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    struct ph_audit *audit = calloc(1, sizeof *audit);
    if (audit == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "audit: out of memory");
    }
    audit->fd = -1;
    audit->head = (struct ph_audit_head){.hash = PH_AUDIT_NO_HASH};
    if (path != NULL) {
        audit->path = strdup(path);
        err = audit->path != NULL ? open_first(audit, error)
                                  : ph_error_set(error, PH_ERR_MEMORY, "audit: out of memory");
    }
    if (err == PH_OK) {
        (void)tell_faults(audit, now_ms);
        *out = audit;
        audit = NULL;
    }
    ph_audit_close(&audit);
    return err;
}

void ph_audit_close(struct ph_audit **audit)
{
    if (audit == NULL || *audit == NULL) {
        return;
    }
    if ((*audit)->fd >= 0) {
        (void)close((*audit)->fd);
    }
    free((*audit)->path);
    free(*audit);
    *audit = NULL;
}

/* Somebody cut the file that is written to. */
static void take_cut(struct ph_audit *audit, const struct stat *st)
{
    struct ph_audit_head ignored;
    struct ph_error error = {0};
    ph_error_set(&error, PH_ERR_IO,
        "%s: audit: somebody cut it from %lld to %lld bytes; rotate it by renaming", audit->path,
        (long long)audit->size, (long long)st->st_size);
    note_problem(audit, &error);
    audit->size = st->st_size;
    audit->torn_bytes = 0;
    if (st->st_size > 0) {
        (void)!find_head(audit->fd, audit->path, st->st_size, &ignored, &audit->torn_bytes, NULL);
    }
}

static enum ph_err open_next(struct ph_audit *audit, struct ph_error *error)
{
    struct ph_audit_head ignored;
    struct stat st;
    size_t torn_bytes = 0;
    int fd = -1;
    enum ph_err err = open_file(audit->path, &fd, &st, error);
    if (err == PH_OK && st.st_size > 0) {
        err = find_head(fd, audit->path, st.st_size, &ignored, &torn_bytes, error);
    }
    if (err == PH_OK) {
        adopt(audit, fd, &st);
        audit->torn_bytes = torn_bytes;
    } else if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

void ph_audit_reopen(struct ph_audit *audit)
{
    struct stat st;
    struct ph_error error = {0};
    if (audit->path == NULL) {
        return;
    }
    bool there =
        stat(audit->path, &st) == 0 && st.st_dev == audit->device && st.st_ino == audit->inode;
    if (there && st.st_size < audit->size) {
        take_cut(audit, &st);
    } else if (!there && open_next(audit, &error) != PH_OK) {
        note_problem(audit, &error); /* and the file that is open is still written to */
    }
}

bool ph_audit_problem(struct ph_audit *audit, int64_t now_monotonic_ms, struct ph_error *error)
{
    if (!audit->problem_due ||
        (audit->problem_told && now_monotonic_ms - audit->problem_told_ms < PROBLEM_INTERVAL_MS)) {
        return false;
    }
    *error = audit->problem;
    audit->problem_due = false;
    audit->problem_told = true;
    audit->problem_told_ms = now_monotonic_ms;
    return true;
}

struct ph_audit_head ph_audit_head(const struct ph_audit *audit)
{
    return audit->head;
}

uint64_t ph_audit_lost(const struct ph_audit *audit)
{
    return audit->lost;
}
