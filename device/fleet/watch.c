#include "device/fleet/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

enum { NUMBER_BYTES = 32 };

static bool to_pid(const char *text, pid_t *pid)
{
    int64_t number = 0;
    if (!ph_text_to_int64(text, 1, INT32_MAX, &number)) {
        return false;
    }
    *pid = (pid_t)number;
    return true;
}

/* ---- the option ---- */

static enum ph_err read_one(char *text, struct ph_fleet_usage *usage, struct ph_error *error)
{
    struct ph_process_usage seen = {0};
    char *sign = strchr(text, '=');
    bool is_file = sign != NULL && strchr(sign, '/') != NULL;
    if (sign == NULL || sign == text || (size_t)(sign - text) >= sizeof usage->name ||
        !ph_text_clean(text, (size_t)(sign - text)) ||
        (!is_file && !to_pid(sign + 1, &usage->pid))) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--watch: want NAME=PID, or NAME=FILE with a \"/\", and a name of up to %zu bytes, "
            "have \"%s\"",
            sizeof usage->name - 1, text);
    }
    memcpy(usage->name, text, (size_t)(sign - text));
    if (is_file) {
        usage->pid_file = sign + 1;
    } else if (!ph_process_usage(usage->pid, &seen)) {
        return ph_error_set(error, PH_ERR_NOT_FOUND, "--watch: %s: there is no process %ld",
            usage->name, (long)usage->pid);
    }
    return PH_OK;
}

enum ph_err ph_watch_read(
    char *list, struct ph_fleet_usage **usage, size_t *count, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    char *rest = list;
    *count = 0;
    *usage = calloc(strlen(list) + 1, sizeof **usage);
    if (*usage == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "--watch: out of memory");
    }
    while (err == PH_OK && rest != NULL) {
        char *text = strsep(&rest, ",");
        err = read_one(text, &(*usage)[*count], error);
        *count += 1;
    }
    return err;
}

/* ---- the processes ---- */

/* A file that is missing or is being written names nobody. */
static bool read_file(const char *path, pid_t *pid)
{
    struct ph_buf text;
    bool read = false;
    ph_buf_init(&text, NUMBER_BYTES);
    if (ph_file_load(path, &text, NULL) == PH_OK && text.len > 0) {
        if (text.data[text.len - 1] == '\n') {
            text.data[text.len - 1] = '\0';
        }
        read = to_pid(text.data, pid);
    }
    ph_buf_fini(&text);
    return read;
}

static void count(const struct ph_watch *watch, struct ph_fleet_usage *usage)
{
    const struct ph_process_usage *seen = &watch->seen;
    usage->cpu_s = (double)(watch->former_ms + seen->cpu_ms - watch->before_ms) / 1000;
    usage->rss_bytes = seen->rss_bytes;
    if (seen->rss_bytes > usage->rss_max_bytes) {
        usage->rss_max_bytes = seen->rss_bytes;
    }
}

void ph_watch_begin(struct ph_watch *watch, struct ph_fleet_usage *usage)
{
    *watch = (struct ph_watch){0};
    if (usage->pid_file != NULL && !read_file(usage->pid_file, &usage->pid)) {
        usage->pid = 0;
    }
    if (usage->pid == 0 || !ph_process_usage(usage->pid, &watch->seen)) {
        usage->pid = 0;
    }
    watch->before_ms = watch->seen.cpu_ms;
    count(watch, usage);
}

static void end(struct ph_watch *watch, struct ph_fleet_usage *usage, char *note)
{
    (void)snprintf(
        note, PH_WATCH_NOTE_BYTES, "%s has ended (process %ld)", usage->name, (long)usage->pid);
    watch->former = usage->pid;
    watch->former_ms += watch->seen.cpu_ms - watch->before_ms;
    watch->before_ms = 0;
    watch->seen = (struct ph_process_usage){0};
    usage->pid = 0;
    usage->rss_bytes = 0;
}

/* As long as the file names the one that has ended, whoever has that number is somebody else. */
static bool find(struct ph_watch *watch, struct ph_fleet_usage *usage, char *note)
{
    pid_t pid = 0;
    if (usage->pid_file == NULL || !read_file(usage->pid_file, &pid) || pid == watch->former ||
        !ph_process_usage(pid, &watch->seen)) {
        return false;
    }
    bool again = watch->former != 0;
    usage->pid = pid;
    usage->restarts += again;
    count(watch, usage);
    (void)snprintf(note, PH_WATCH_NOTE_BYTES, "%s is there%s (process %ld)", usage->name,
        again ? " again" : "", (long)pid);
    return true;
}

bool ph_watch_look(
    struct ph_watch *watch, struct ph_fleet_usage *usage, char note[PH_WATCH_NOTE_BYTES])
{
    struct ph_process_usage now = {0};
    if (usage->pid == 0) {
        return find(watch, usage, note);
    }
    if (!ph_process_usage(usage->pid, &now) || now.born != watch->seen.born) {
        end(watch, usage, note);
        return true;
    }
    watch->seen = now;
    count(watch, usage);
    return false;
}
