/* Runs one actor to its end, and prints what it counted:
 *
 *     ph-fleet-actor mad|thief PORT FOLDER NAME SECONDS [HOW [RATE]] <names of the others, one a
 * line
 *
 * FOLDER has cert.pem, key.pem and ca.pem of NAME. SECONDS is how long it may take at most. Prints
 * "counter number" lines, "reason number text" lines, "finished yes|no" and, in microseconds, how
 * long its longest turn took. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/mqtt.h"
#include "base/clock.h"
#include "base/text.h"
#include "device/fleet/actor.h"

enum { PATH_BYTES = 512, REFUSED_MS = 1000, NEIGHBOUR_MS = 40 };

static struct ph_fleet_stats stats;

static int fail(const char *text)
{
    (void)fprintf(stderr, "ph-fleet-actor: %s\n", text);
    return 64;
}

static bool read_names(struct ph_identities *others)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len = 0;
    while ((len = getline(&line, &size, stdin)) > 0) {
        char **names = realloc(others->names, (others->count + 1) * sizeof *names);
        if (names == NULL) {
            break;
        }
        others->names = names;
        line[strcspn(line, "\n")] = '\0';
        if ((names[others->count] = strdup(line)) == NULL) {
            break;
        }
        others->count++;
    }
    free(line);
    return len < 0;
}

static void free_names(struct ph_identities *others)
{
    for (size_t i = 0; i < others->count; i++) {
        free(others->names[i]);
    }
    free(others->names);
}

static void free_topics(struct ph_topic_templates *templates)
{
    for (size_t i = 0; i < PH_TOPIC_COUNT; i++) {
        free(templates->text[i]);
    }
}

static bool number(const char *text, int64_t max, int64_t *out)
{
    return ph_text_to_int64(text, 0, max, out);
}

/* ---- the neighbour: without another client Paho would end its threads with each of the actor's,
 * and without traffic it would look for new connections once a second ---- */

static struct {
    struct ph_mqtt *mqtt;
    char topic[PATH_BYTES];
    int64_t next_ms;
    int64_t sent;
    int64_t confirmed;
    int64_t refused;
    int64_t losses;
} neighbour;

static enum ph_err neighbour_start(const struct ph_device_config *config, const char *name,
    char files[3][PATH_BYTES], struct ph_error *error)
{
    const struct ph_mqtt_options options = {.host = config->broker.host,
        .port = config->broker.port,
        .client_id = name,
        .ca_file = files[0],
        .cert_file = files[1],
        .key_file = files[2],
        .keep_alive_s = 30,
        .clean_start = true,
        .queue_bytes = PATH_BYTES,
        .backoff_min_ms = REFUSED_MS,
        .backoff_max_ms = REFUSED_MS};
    (void)snprintf(neighbour.topic, sizeof neighbour.topic, "ph/v1/%s/telemetry", name);
    enum ph_err err = ph_mqtt_new(&options, &neighbour.mqtt, error);
    return err == PH_OK ? ph_mqtt_start(neighbour.mqtt, error) : err;
}

static void neighbour_turn(int64_t now_ms)
{
    struct ph_mqtt_event event = {0};
    bool have = false;
    int token = 0;
    while (ph_mqtt_next(neighbour.mqtt, 0, &event, &have, NULL) == PH_OK && have) {
        neighbour.confirmed += event.type == PH_MQTT_PUBLISHED;
        neighbour.refused += event.type == PH_MQTT_PUBLISH_FAILED && event.reason_code >= 0x80;
        neighbour.losses += event.type == PH_MQTT_DISCONNECTED || event.type == PH_MQTT_REFUSED;
        ph_mqtt_event_fini(&event);
    }
    if (now_ms >= neighbour.next_ms) {
        neighbour.next_ms = now_ms + NEIGHBOUR_MS;
        neighbour.sent += ph_mqtt_publish(neighbour.mqtt, neighbour.topic, "{}", 2, 1, false,
                              &token, NULL) == PH_OK;
    }
}

/* ---- the actor ---- */

/* Turns until it has ended, or the time has. */
static bool drive(struct ph_actor *actor, int64_t seconds, int64_t *longest_us)
{
    int64_t now_ms = ph_clock_monotonic_ms();
    int64_t until_ms = now_ms + seconds * 1000;
    while (now_ms < until_ms) {
        int64_t began_ns = ph_clock_monotonic_ns();
        bool more = ph_actor_turn(actor, now_ms);
        int64_t took_us = (ph_clock_monotonic_ns() - began_ns) / 1000;
        *longest_us = took_us > *longest_us ? took_us : *longest_us;
        if (!more) {
            return true;
        }
        neighbour_turn(now_ms);
        int64_t due_ms = ph_actor_due_ms(actor);
        due_ms = due_ms < neighbour.next_ms ? due_ms : neighbour.next_ms;
        now_ms = ph_clock_monotonic_ms();
        struct pollfd fd = {.fd = ph_actor_fd(actor), .events = POLLIN};
        (void)poll(&fd, 1, due_ms > now_ms ? (int)(due_ms - now_ms) : 0);
        now_ms = ph_clock_monotonic_ms();
    }
    return false;
}

static void print_counts(void)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS];
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        int64_t count = atomic_load(&stats.counts[i]);
        if (count != 0) {
            (void)printf("%s %" PRId64 "\n", ph_fleet_count_name((enum ph_fleet_count)i), count);
        }
    }
    size_t reasons = ph_fleet_stats_reasons(&stats, sorted);
    for (size_t i = 0; i < reasons; i++) {
        (void)printf("reason %" PRId64 " %s\n", atomic_load(&sorted[i]->count), sorted[i]->text);
    }
}

static void print_neighbour(void)
{
    (void)printf("neighbour_sent %" PRId64 "\n", neighbour.sent);
    (void)printf("neighbour_confirmed %" PRId64 "\n", neighbour.confirmed);
    (void)printf("neighbour_refused %" PRId64 "\n", neighbour.refused);
    (void)printf("neighbour_losses %" PRId64 "\n", neighbour.losses);
}

static int run(const struct ph_actor_options *options, int64_t seconds)
{
    struct ph_actor *actor = NULL;
    struct ph_error error = {0};
    int64_t longest_us = 0;
    if (ph_actor_new(options, &actor, &error) != PH_OK) {
        return fail(error.message);
    }
    bool finished = drive(actor, seconds, &longest_us);
    int64_t began_ns = ph_clock_monotonic_ns();
    ph_actor_free(&actor);
    int64_t freed_ns = ph_clock_monotonic_ns();
    print_counts();
    print_neighbour();
    (void)printf("finished %s\n", finished ? "yes" : "no");
    (void)printf("longest_turn_us %" PRId64 "\n", longest_us);
    (void)printf("free_us %" PRId64 "\n", (freed_ns - began_ns) / 1000);
    return 0;
}

/* ca.pem, cert.pem and key.pem of the device. */
static void name_files(char files[3][PATH_BYTES], const char *folder, const char *name)
{
    static const char *const names[3] = {"ca.pem", "cert.pem", "key.pem"};
    char dotted[PH_IDENTITY_BYTES];
    (void)snprintf(dotted, sizeof dotted, "%s", name);
    for (char *p = strchr(dotted, '/'); p != NULL; p = strchr(p, '/')) {
        *p = '.';
    }
    for (int i = 0; i < 3; i++) {
        (void)snprintf(files[i], PATH_BYTES, "%s/%s/%s", folder, dotted, names[i]);
    }
}

static int start_and_run(struct ph_actor_options *options, struct ph_device_config *config,
    const char *neighbour_name, const char *folder, int64_t seconds)
{
    char own[3][PATH_BYTES];
    char other[3][PATH_BYTES];
    struct ph_error error = {0};
    name_files(own, folder, options->name);
    name_files(other, folder, neighbour_name);
    config->broker.ca = own[0];
    config->broker.certificate = own[1];
    config->broker.key = own[2];
    if (ph_topic_templates_default(&config->topics, &error) != PH_OK ||
        neighbour_start(config, neighbour_name, other, &error) != PH_OK) {
        return fail(error.message);
    }
    int status = run(options, seconds);
    ph_mqtt_free(&neighbour.mqtt);
    return status;
}

int main(int argc, char **argv)
{
    char host[] = "localhost";
    int64_t port = 0;
    int64_t seconds = 0;
    int64_t how = 0;
    struct ph_act act = {.kind = PH_ACT_MAD};
    struct ph_identities others = {0};
    struct ph_device_config config = {.broker = {.host = host},
        .reconnect = {.min_ms = 50, .max_ms = 1000, .refused_ms = REFUSED_MS}};
    if (argc < 7 || argc > 9 || !number(argv[2], UINT16_MAX, &port) ||
        !number(argv[6], 3600, &seconds) || (argc > 7 && !number(argv[7], 7, &how)) ||
        (argc > 8 && !number(argv[8], 1000000, &act.messages_per_s))) {
        return fail("mad|thief PORT FOLDER NAME NEIGHBOUR SECONDS [HOW [RATE]]");
    }
    act.kind = strcmp(argv[1], "thief") == 0 ? PH_ACT_THIEF : PH_ACT_MAD;
    act.how = (unsigned)how;
    config.broker.port = (uint16_t)port;
    struct ph_actor_options options = {.config = &config,
        .name = argv[4],
        .others = &others,
        .act = &act,
        .seed = 7,
        .stats = &stats};
    int status = read_names(&others) ? start_and_run(&options, &config, argv[5], argv[3], seconds)
                                     : fail("out of memory");
    free_topics(&config.topics);
    free_names(&others);
    return status;
}
