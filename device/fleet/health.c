#include "device/fleet/health.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

enum { STALE_MS = 10000, GRACE_MS = 30000, FILE_BYTES = 1024 };

/* The members, by their names in the file, and what they may be: process 0 is whoever asks. */
static const struct member {
    const char *name;
    size_t offset;
    int64_t min;
    int64_t max;
} members[] = {
    {"pid", offsetof(struct ph_fleet_health, pid), 1, INT32_MAX},
    {"at_ms", offsetof(struct ph_fleet_health, at_ms), 0, INT64_MAX},
    {"devices", offsetof(struct ph_fleet_health, devices), 0, INT64_MAX},
    {"connected", offsetof(struct ph_fleet_health, connected), 0, INT64_MAX},
    {"suspended", offsetof(struct ph_fleet_health, suspended), 0, INT64_MAX},
    {"few_ms", offsetof(struct ph_fleet_health, few_ms), 0, INT64_MAX},
};
enum { MEMBERS = sizeof members / sizeof members[0] };

enum ph_err ph_fleet_health_path(char *out, const char *folder, struct ph_error *error)
{
    return ph_path_join(out, PATH_MAX, folder, "health", error);
}

enum ph_err ph_fleet_health_store(
    const char *path, const struct ph_fleet_health *health, struct ph_error *error)
{
    struct ph_buf text;
    enum ph_err err = PH_OK;
    ph_buf_init(&text, FILE_BYTES);
    for (size_t i = 0; err == PH_OK && i < MEMBERS; i++) {
        int64_t value = 0;
        memcpy(&value, (const char *)health + members[i].offset, sizeof value);
        err = ph_buf_printf(&text, "%s %" PRId64 "\n", members[i].name, value);
    }
    err = err == PH_OK ? ph_file_replace(path, 0644, text.data, text.len, error)
                       : ph_error_set(error, err, "%s: out of memory", path);
    ph_buf_fini(&text);
    return err;
}

/* Line i is "NAME NUMBER". */
static bool read_line(char *line, const struct member *member, struct ph_fleet_health *out)
{
    int64_t value = 0;
    char *space = strchr(line, ' ');
    if (space == NULL) {
        return false;
    }
    *space = '\0';
    if (strcmp(line, member->name) != 0 ||
        !ph_text_to_int64(space + 1, member->min, member->max, &value)) {
        return false;
    }
    memcpy((char *)out + member->offset, &value, sizeof value);
    return true;
}

static bool read_lines(char *text, struct ph_fleet_health *out)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        char *end = strchr(text, '\n');
        if (end == NULL) {
            return false;
        }
        *end = '\0';
        if (!read_line(text, &members[i], out)) {
            return false;
        }
        text = end + 1;
    }
    return *text == '\0';
}

enum ph_err ph_fleet_health_load(
    const char *path, struct ph_fleet_health *out, struct ph_error *error)
{
    struct ph_buf text;
    *out = (struct ph_fleet_health){0};
    ph_buf_init(&text, FILE_BYTES);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK && (text.data == NULL || !read_lines(text.data, out))) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "%s: not what a fleet writes; remove it, or want another DIR", path);
    }
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_fleet_health_judge(const struct ph_fleet_health *health, bool alive, int64_t now_ms,
    char line[PH_FLEET_HEALTH_LINE_BYTES], struct ph_error *error)
{
    int64_t silent_ms = now_ms - health->at_ms;
    if (!alive || silent_ms < 0) {
        return ph_error_set(error, PH_ERR_FAULT,
            "the supervisor (process %" PRId64 ") is gone; start ph-fleet run again", health->pid);
    }
    if (silent_ms >= STALE_MS) {
        return ph_error_set(error, PH_ERR_FAULT,
            "the supervisor (process %" PRId64 ") has said nothing for %" PRId64
            " s: it hangs, or cannot write its folder (a full disk?)",
            health->pid, silent_ms / 1000);
    }
    if (health->few_ms >= GRACE_MS) {
        return ph_error_set(error, PH_ERR_FAULT,
            "only %" PRId64 " of %" PRId64 " devices are connected, for %" PRId64
            " s less than half; is the broker there, and does it let them in? fleet.log says why",
            health->connected, health->devices - health->suspended, health->few_ms / 1000);
    }
    (void)snprintf(line, PH_FLEET_HEALTH_LINE_BYTES,
        "healthy: %" PRId64 " of %" PRId64 " devices connected, %" PRId64 " kept off by an act%s",
        health->connected, health->devices, health->suspended,
        health->few_ms > 0 ? "; fewer than half of those expected, within the grace" : "");
    return PH_OK;
}
