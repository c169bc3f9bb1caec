#include "format/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "format/json.h"
#include "format/stream.h"

#define FIELD_NAME_MAX 63
#define TIME_RULE      "want whole milliseconds since 1970, up to year 9999"
#define UP_RULE        "want whole milliseconds since boot, 0 to 2^53-1"

/* A message being built: cursors into its storage. */
struct build {
    struct ph_message *message;
    struct ph_reading *readings;
    struct ph_field *fields;
    char *text;
    size_t index; /* of the reading at hand, from 0 */
    struct ph_error *error;
};

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool ph_field_name_valid(const char *name)
{
    size_t len = 0;
    while (len <= FIELD_NAME_MAX && is_name_byte(name[len])) {
        len++;
    }
    return name[0] >= 'a' && name[0] <= 'z' && name[len] == '\0' && len <= FIELD_NAME_MAX;
}

static enum ph_err refuse_field(
    const struct build *build, const char *name, enum ph_err code, const char *rule)
{
    return ph_error_set(build->error, code, "message: reading %zu: field \"%.64s\": %s",
        build->index + 1, name, rule);
}

static char *keep_text(struct build *build, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = memcpy(build->text, text, size);
    build->text += size;
    return kept;
}

static enum ph_err build_field(
    struct build *build, struct ph_reading *reading, const struct ph_json_value *value)
{
    const char *name = ph_json_key(value);
    struct ph_field *field = build->fields;
    if (!ph_field_name_valid(name)) {
        return refuse_field(build, name, PH_ERR_INPUT, "want a name like [a-z][a-z0-9_]{0,62}");
    }
    switch (ph_json_type(value)) {
    case PH_JSON_NULL:
        return PH_OK;
    case PH_JSON_NUMBER:
        field->value = (struct ph_value){PH_VALUE_NUMBER, ph_json_number(value), false, NULL};
        break;
    case PH_JSON_BOOL:
        field->value = (struct ph_value){PH_VALUE_BOOL, 0, ph_json_bool(value), NULL};
        break;
    case PH_JSON_TEXT:
        if (strlen(ph_json_text(value)) > PH_LIMIT_TEXT_VALUE_BYTES) {
            return refuse_field(build, name, PH_ERR_LIMIT, "text is longer than 256 bytes");
        }
        field->value =
            (struct ph_value){PH_VALUE_TEXT, 0, false, keep_text(build, ph_json_text(value))};
        break;
    case PH_JSON_ARRAY:
    case PH_JSON_OBJECT:
        return refuse_field(
            build, name, PH_ERR_INPUT, "want a number, a text, true, false or null");
    }
    if (reading->field_count == PH_LIMIT_READING_FIELDS) {
        return refuse_field(build, name, PH_ERR_LIMIT, "more than 32 fields in one reading");
    }
    field->name = keep_text(build, name);
    build->fields++;
    reading->field_count++;
    return PH_OK;
}

static enum ph_err refuse_reading(const struct build *build, const char *rule)
{
    return ph_error_set(
        build->error, PH_ERR_INPUT, "message: reading %zu: %s", build->index + 1, rule);
}

static enum ph_err build_member(
    struct build *build, struct ph_reading *reading, const struct ph_json_value *member)
{
    const char *key = ph_json_key(member);
    if (strcmp(key, "t") == 0) {
        reading->has_time = ph_json_integer(member, 0, PH_TIME_MAX_MS, &reading->time_ms);
        return reading->has_time ? PH_OK : refuse_reading(build, "t: " TIME_RULE);
    }
    if (strcmp(key, "up") == 0) {
        reading->has_up = ph_json_integer(member, 0, PH_LIMIT_SEQ, &reading->up_ms);
        return reading->has_up ? PH_OK : refuse_reading(build, "up: " UP_RULE);
    }
    return build_field(build, reading, member);
}

static enum ph_err build_reading(struct build *build, const struct ph_json_value *object)
{
    struct ph_reading *reading = &build->readings[build->index];
    *reading = (struct ph_reading){.fields = build->fields};
    if (ph_json_type(object) != PH_JSON_OBJECT) {
        return refuse_reading(build, "want an object");
    }
    enum ph_err err = PH_OK;
    const struct ph_json_value *member = ph_json_first(object);
    for (; member != NULL && err == PH_OK; member = ph_json_next(member)) {
        err = build_member(build, reading, member);
    }
    if (err == PH_OK && reading->has_time && reading->has_up) {
        err = refuse_reading(build, "\"t\" and \"up\": want one of them");
    }
    if (err == PH_OK && !reading->has_time && !reading->has_up && !build->message->plain) {
        err = refuse_reading(build, "t: missing; a numbered reading carries its time, or \"up\"");
    }
    return err;
}

/* One block: readings, then fields, then texts. Names and texts with their terminators take no more
 * room than they take with their quotes in the JSON text of `len` bytes. */
static enum ph_err make_storage(
    struct build *build, const struct ph_json_value *first, size_t count, size_t len)
{
    size_t fields = 0;
    for (const struct ph_json_value *one = first; one != NULL; one = ph_json_next(one)) {
        fields += ph_json_count(one);
    }
    size_t readings_bytes = count * sizeof *build->readings;
    size_t fields_bytes = fields * sizeof *build->fields;
    char *storage = malloc(readings_bytes + fields_bytes + len + 1);
    if (storage == NULL) {
        return ph_error_set(build->error, PH_ERR_MEMORY, "message: out of memory");
    }
    build->message->storage = storage;
    build->readings = (struct ph_reading *)(void *)storage;
    build->fields = (struct ph_field *)(void *)(storage + readings_bytes);
    build->text = storage + readings_bytes + fields_bytes;
    build->message->readings = build->readings;
    build->message->reading_count = count;
    return PH_OK;
}

static enum ph_err build_readings(
    struct build *build, const struct ph_json_value *first, size_t count, size_t len)
{
    enum ph_err err = make_storage(build, first, count, len);
    for (const struct ph_json_value *one = first; one != NULL && err == PH_OK;
         one = ph_json_next(one)) {
        err = build_reading(build, one);
        build->index++;
    }
    return err;
}

/* The envelope's members; the first four make an object an envelope. */
enum member { VERSION, STREAM, SEQ, READINGS, OLDEST, NOW, UP, MEMBER_COUNT };
#define MARK_COUNT 4

struct envelope {
    const struct ph_json_value *members[MEMBER_COUNT]; /* NULL: not there */
    const char *unknown;                               /* the first other key, or NULL */
};

static size_t find_member(const char *key)
{
    static const char *const names[MEMBER_COUNT] = {
        "v", "stream", "seq", "readings", "oldest", "now", "up"};
    size_t i = 0;
    while (i < MEMBER_COUNT && strcmp(names[i], key) != 0) {
        i++;
    }
    return i;
}

/* False when the object is no envelope but a reading. */
static bool read_envelope(const struct ph_json_value *root, struct envelope *envelope)
{
    bool marked = false;
    for (const struct ph_json_value *one = ph_json_first(root); one != NULL;
         one = ph_json_next(one)) {
        size_t member = find_member(ph_json_key(one));
        if (member < MEMBER_COUNT) {
            envelope->members[member] = one;
            marked = marked || member < MARK_COUNT;
        } else if (envelope->unknown == NULL) {
            envelope->unknown = ph_json_key(one);
        }
    }
    return marked;
}

static enum ph_err read_numbering(
    struct ph_message *message, const struct envelope *envelope, struct ph_error *error)
{
    const struct ph_json_value *stream = envelope->members[STREAM];
    const struct ph_json_value *seq = envelope->members[SEQ];
    message->plain = stream == NULL && seq == NULL;
    if (message->plain) {
        return PH_OK;
    }
    if (stream == NULL || seq == NULL) {
        return ph_error_set(
            error, PH_ERR_INPUT, "message: \"stream\" and \"seq\": want both or neither");
    }
    if (ph_json_type(stream) != PH_JSON_TEXT ||
        !ph_stream_parse(ph_json_text(stream), &message->stream)) {
        return ph_error_set(error, PH_ERR_INPUT,
            "message: stream: want 16 lower-case hexadecimal digits, not all zero");
    }
    return ph_json_integer(seq, 1, PH_LIMIT_SEQ, &message->seq)
               ? PH_OK
               : ph_error_set(
                     error, PH_ERR_INPUT, "message: seq: want 1 to %" PRId64, PH_LIMIT_SEQ);
}

/* What only a numbered message may say beside its numbers. */
static enum ph_err read_options(
    struct ph_message *message, const struct envelope *envelope, struct ph_error *error)
{
    const struct ph_json_value *oldest = envelope->members[OLDEST];
    const struct ph_json_value *now = envelope->members[NOW];
    const struct ph_json_value *up = envelope->members[UP];
    if (message->plain && (oldest != NULL || now != NULL || up != NULL)) {
        return ph_error_set(error, PH_ERR_INPUT,
            "message: \"oldest\", \"now\" and \"up\": only beside \"stream\" and \"seq\"");
    }
    if (oldest != NULL && !ph_json_integer(oldest, 1, message->seq, &message->oldest)) {
        return ph_error_set(
            error, PH_ERR_INPUT, "message: oldest: want 1 to seq, %" PRId64, message->seq);
    }
    message->has_now = now != NULL;
    if (message->has_now && !ph_json_integer(now, 0, PH_TIME_MAX_MS, &message->now_ms)) {
        return ph_error_set(error, PH_ERR_INPUT, "message: now: " TIME_RULE);
    }
    message->has_up = up != NULL;
    if (message->has_up && !ph_json_integer(up, 0, PH_LIMIT_SEQ, &message->up_ms)) {
        return ph_error_set(error, PH_ERR_INPUT, "message: up: " UP_RULE);
    }
    return PH_OK;
}

static enum ph_err check_members(const struct envelope *envelope, struct ph_error *error)
{
    int64_t version = 0;
    const struct ph_json_value *v = envelope->members[VERSION];
    const struct ph_json_value *readings = envelope->members[READINGS];
    if (v == NULL || !ph_json_integer(v, 1, 1, &version)) {
        return ph_error_set(error, PH_ERR_INPUT, "message: v: want 1");
    }
    if (envelope->unknown != NULL) {
        return ph_error_set(
            error, PH_ERR_INPUT, "message: unknown member \"%.64s\"", envelope->unknown);
    }
    if (readings == NULL || ph_json_type(readings) != PH_JSON_ARRAY) {
        return ph_error_set(error, PH_ERR_INPUT, "message: readings: want an array");
    }
    return PH_OK;
}

static enum ph_err check_count(
    const struct ph_message *message, size_t count, struct ph_error *error)
{
    if (count > PH_LIMIT_MESSAGE_READINGS) {
        return ph_error_set(error, PH_ERR_LIMIT, "message: readings: want at most %d, have %zu",
            PH_LIMIT_MESSAGE_READINGS, count);
    }
    if (message->plain && count == 0) {
        return ph_error_set(error, PH_ERR_INPUT,
            "message: readings: want at least one in a message without numbers");
    }
    if (!message->plain && message->seq > PH_LIMIT_SEQ - (int64_t)count + 1) {
        return ph_error_set(error, PH_ERR_INPUT,
            "message: seq: the last reading's number is beyond %" PRId64, PH_LIMIT_SEQ);
    }
    return PH_OK;
}

static enum ph_err build_envelope(struct build *build, const struct envelope *envelope, size_t len)
{
    enum ph_err err = check_members(envelope, build->error);
    if (err == PH_OK) {
        err = read_numbering(build->message, envelope, build->error);
    }
    if (err == PH_OK) {
        err = read_options(build->message, envelope, build->error);
    }
    if (err != PH_OK) {
        return err;
    }
    const struct ph_json_value *readings = envelope->members[READINGS];
    size_t count = ph_json_count(readings);
    err = check_count(build->message, count, build->error);
    return err == PH_OK ? build_readings(build, ph_json_first(readings), count, len) : err;
}

static enum ph_err build_message(struct build *build, const struct ph_json_value *root, size_t len)
{
    struct envelope envelope = {0};
    if (ph_json_type(root) != PH_JSON_OBJECT) {
        return ph_error_set(build->error, PH_ERR_INPUT, "message: want an object");
    }
    if (read_envelope(root, &envelope)) {
        return build_envelope(build, &envelope, len);
    }
    build->message->plain = true;
    return build_readings(build, root, 1, len);
}

enum ph_err ph_message_parse(
    const void *bytes, size_t len, struct ph_message **out, struct ph_error *error)
{
    struct ph_json *json = NULL;
    struct ph_message *message = NULL;
    enum ph_err err = ph_json_parse(bytes, len, &json, error);
    if (err != PH_OK) {
        goto out;
    }
    message = calloc(1, sizeof *message);
    if (message == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "message: out of memory");
        goto out;
    }
    struct build build = {.message = message, .error = error};
    err = build_message(&build, ph_json_root(json), len);
    if (err == PH_OK) {
        *out = message;
        message = NULL;
    }
out:
    ph_message_free(&message);
    ph_json_free(&json);
    return err;
}

void ph_message_free(struct ph_message **message)
{
    if (*message != NULL) {
        free((*message)->storage);
        free(*message);
        *message = NULL;
    }
}
