#include "renewer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "format/ack.h"
#include "measure.h"

#define SECOND_NS INT64_C(1000000000)
#define RETRY_NS  (SECOND_NS / 2)
#define STALL_NS                                                                                   \
    (3 * SECOND_NS) /* as long without progress: what is not acknowledged is sent again */
#define ANSWER_NS (10 * SECOND_NS)

static void fail(struct ph_renewer *r, enum ph_err err, const struct ph_error *why)
{
    if (r->run->err == PH_OK) {
        r->run->err = ph_error_set(&r->run->error, err, "%s: %s", r->base, why->message);
    }
}

/* ---- the connection ---- */

static void go_offline(struct ph_renewer *r)
{
    r->run->online -= r->online ? 1 : 0;
    r->online = false;
    r->subscriptions = 0;
}

static void subscribe(struct ph_renewer *r)
{
    char filter[192];
    (void)snprintf(filter, sizeof filter, "%s/ack", r->base);
    ph_bench_client_subscribe(r->clients[r->current], filter, 1);
    (void)snprintf(filter, sizeof filter, "%s/certificate", r->base);
    ph_bench_client_subscribe(r->clients[r->current], filter, 1);
}

/* What was not acknowledged may be lost with the connection before. */
static void go_online(struct ph_renewer *r)
{
    r->online = true;
    r->run->online++;
    r->next = r->acked + 1;
    r->progress_ns = ph_now_ns();
}

static void on_lost(struct ph_renewer *r)
{
    go_offline(r);
    r->run->lost++;
    r->retry_ns = ph_now_ns() + RETRY_NS;
}

static void on_connected(struct ph_renewer *r)
{
    if (r->step == PH_RENEWER_TRYING) {
        r->promoted_ns = ph_now_ns();
        r->step = PH_RENEWER_SAYING;
        r->sent_ns = 0;
    }
    subscribe(r);
}

static void on_event(struct ph_bench_client *client, void *context,
    enum ph_bench_client_event event, unsigned reason)
{
    struct ph_renewer *r = context;
    struct ph_error why = {0};
    if (client != r->clients[r->current]) {
        return; /* the end of the connection with the first certificate */
    }
    if (event == PH_BENCH_CLOSED) {
        on_lost(r);
    } else if (event != PH_BENCH_CONFIRMED && reason >= 0x80) {
        (void)ph_error_set(&why, PH_ERR_DENIED, "refused or ended with reason 0x%02x", reason);
        fail(r, PH_ERR_DENIED, &why);
    } else if (event == PH_BENCH_CONNECTED) {
        on_connected(r);
    } else if (event == PH_BENCH_SUBSCRIBED && ++r->subscriptions == 2) {
        go_online(r);
    }
}

/* ---- what comes ---- */

static void take_ack(struct ph_renewer *r, const struct ph_bench_client_message *message)
{
    struct ph_ack ack;
    const int64_t now_ns = ph_now_ns();
    if (ph_ack_parse(message->payload, message->payload_len, &ack, NULL) != PH_OK ||
        ack.stream != r->stream || ack.through > r->made) {
        return;
    }
    while (r->acked < ack.through) {
        r->acked++;
        r->times_ns[r->acked] = now_ns - ph_renewer_message_ns(r, r->acked);
        r->progress_ns = now_ns;
    }
    r->next = r->next <= r->acked ? r->acked + 1 : r->next;
}

static void take_certificate(struct ph_renewer *r, const struct ph_buf *certificate)
{
    char path[600];
    struct ph_error error = {0};
    (void)snprintf(path, sizeof path, "%s/cert.pem", r->next_folder);
    enum ph_err err = ph_bench_store(path, certificate->data, certificate->len, &error);
    if (err == PH_OK) {
        err = ph_bench_ask_state(&r->state, path, r->run->trust, &error);
    }
    if (err != PH_OK) {
        fail(r, err, &error);
    }
    r->stored_ns = ph_now_ns();
    r->step = PH_RENEWER_STORED;
}

static void take_answer(struct ph_renewer *r, const struct ph_bench_client_message *message)
{
    struct ph_error error = {0};
    struct ph_buf text;
    const bool asked = r->step == PH_RENEWER_ASKED;
    if (!asked && r->step != PH_RENEWER_SAYING) {
        return; /* the answer to a request that was repeated */
    }
    ph_buf_init(&text, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_bench_answer_read(asked ? &r->renew : &r->state, message, &text, &error);
    if (err == PH_OK && asked) {
        take_certificate(r, &text);
    } else if (err == PH_OK) {
        r->confirmed_ns = ph_now_ns();
        r->step = PH_RENEWER_DONE;
        r->run->done++;
    } else if (err != PH_ERR_NOT_FOUND) {
        fail(r, err, &error);
    }
    ph_buf_fini(&text);
}

static void on_message(
    struct ph_bench_client *client, void *context, const struct ph_bench_client_message *message)
{
    (void)client;
    struct ph_renewer *r = context;
    if (message->topic_len > 4 && memcmp(message->topic + message->topic_len - 4, "/ack", 4) == 0) {
        take_ack(r, message);
    } else {
        take_answer(r, message);
    }
}

/* ---- what is sent ---- */

int64_t ph_renewer_message_ns(const struct ph_renewer *renewer, int64_t number)
{
    return renewer->first_ns + (number - 1) * renewer->run->interval_ns;
}

static bool publish(struct ph_renewer *r, const char *topic, const void *payload, size_t len)
{
    char whole[192];
    (void)snprintf(whole, sizeof whole, "%s/%s", r->base, topic);
    return ph_bench_client_publish(r->clients[r->current], whole, payload, len, 1);
}

static bool publish_reading(struct ph_renewer *r, int64_t number, int64_t now_ns)
{
    char payload[256];
    const int64_t age_ms = (now_ns - ph_renewer_message_ns(r, number)) / 1000000;
    int len = snprintf(payload, sizeof payload,
        "{\"v\":1,\"stream\":\"%016" PRIx64 "\",\"seq\":%" PRId64 ",\"readings\":[{\"t\":%" PRId64
        ",\"temperature_c\":21.53,\"setpoint_c\":21,\"humidity_pct\":41.2,\"hvac\":\"heating\"}]}",
        r->stream, number, ph_clock_unix_ms() - age_ms);
    return publish(r, "telemetry", payload, (size_t)len);
}

static bool is_due(const struct ph_renewer *r, int64_t number, int64_t now_ns)
{
    const int64_t due_ns = ph_renewer_message_ns(r, number);
    return number < r->times_max && due_ns <= now_ns &&
           (r->run->stop_ns == 0 || due_ns < r->run->stop_ns);
}

static void publish_due(struct ph_renewer *r, int64_t now_ns)
{
    if (r->acked < r->made && now_ns - r->progress_ns > STALL_NS) {
        r->next = r->acked + 1;
        r->progress_ns = now_ns;
    }
    while (is_due(r, r->next, now_ns) && publish_reading(r, r->next, now_ns)) {
        if (r->acked == r->made) {
            r->progress_ns = now_ns;
        }
        r->run->resent += r->next <= r->made ? 1 : 0;
        r->made = r->next > r->made ? r->next : r->made;
        r->next++;
    }
}

/* The request, or the state, again when there is no answer. */
static void ask(struct ph_renewer *r, const struct ph_bench_ask *what, int64_t now_ns)
{
    if (r->sent_ns != 0 && now_ns - r->sent_ns < ANSWER_NS) {
        return;
    }
    r->run->repeated += r->sent_ns != 0 ? 1 : 0;
    if (publish(r, "renew", what->json.data, what->json.len)) {
        r->sent_ns = now_ns;
    }
}

/* A device has one connection: the first ends before the next begins. */
static void change_over(struct ph_renewer *r)
{
    struct ph_error error = {0};
    struct ph_bench_client *before = r->clients[r->current];
    go_offline(r);
    r->current = 1;
    r->step = PH_RENEWER_TRYING;
    ph_bench_client_disconnect(before);
    enum ph_err err = ph_renewer_connect(r, &error);
    if (err != PH_OK) {
        fail(r, err, &error);
    }
}

static void renew(struct ph_renewer *r, int64_t now_ns)
{
    switch (r->step) {
    case PH_RENEWER_CALM:
        if (r->due_ns != 0 && now_ns >= r->due_ns) {
            r->step = PH_RENEWER_ASKED;
            r->asked_ns = now_ns;
            ask(r, &r->renew, now_ns);
        }
        break;
    case PH_RENEWER_ASKED:
        ask(r, &r->renew, now_ns);
        break;
    case PH_RENEWER_STORED:
        change_over(r);
        break;
    case PH_RENEWER_SAYING:
        ask(r, &r->state, now_ns);
        break;
    case PH_RENEWER_TRYING:
    case PH_RENEWER_DONE:
        break;
    }
}

void ph_renewer_turn(struct ph_renewer *renewer, int64_t now_ns)
{
    struct ph_error error = {0};
    if (renewer->retry_ns != 0 && now_ns >= renewer->retry_ns) {
        renewer->retry_ns = 0;
        enum ph_err err = ph_renewer_connect(renewer, &error);
        if (err != PH_OK) {
            fail(renewer, err, &error);
        }
    }
    if (renewer->online && renewer->first_ns != 0) {
        publish_due(renewer, now_ns);
        renew(renewer, now_ns);
    }
}

/* ---- life ---- */

static const struct ph_bench_client_handlers handlers = {on_event, on_message};

enum ph_err ph_renewer_connect(struct ph_renewer *renewer, struct ph_error *error)
{
    char id[PH_IDENTITY_BYTES];
    enum ph_err err = PH_OK;
    ph_identity_print(id, sizeof id, &renewer->identity);
    if (renewer->clients[renewer->current] == NULL) {
        const struct ph_bench_client_options options = {
            renewer->next_folder, id, renewer->run->target.port, &handlers, renewer};
        err = ph_bench_client_new(
            renewer->run->loop, &options, &renewer->clients[renewer->current], error);
    }
    return err == PH_OK ? ph_bench_client_connect(renewer->clients[renewer->current], error) : err;
}

static enum ph_err make_next(struct ph_renewer *r, struct ph_error *error)
{
    char key[600];
    enum ph_err err = ph_dir_make(r->next_folder, 0755, error);
    (void)snprintf(key, sizeof key, "%s/key.pem", r->next_folder);
    return err == PH_OK ? ph_bench_ask_make(&r->renew, PH_ASK_RENEW, &r->identity, key, error)
                        : err;
}

enum ph_err ph_renewer_make(struct ph_renewer *out, struct ph_renewers *run, int64_t n,
    int64_t messages, struct ph_error *error)
{
    char folder[512];
    char id[PH_IDENTITY_BYTES];
    *out = (struct ph_renewer){.run = run, .next = 1, .times_max = messages + 1};
    out->identity = (struct ph_identity){.tenant = "acme", .kind = "thermostat"};
    (void)snprintf(out->identity.device, sizeof out->identity.device, "d-%" PRId64, n);
    ph_identity_print(id, sizeof id, &out->identity);
    (void)snprintf(out->base, sizeof out->base, "ph/v1/acme/thermostat/d-%" PRId64, n);
    (void)snprintf(folder, sizeof folder, "%s/certs/d-%" PRId64, run->target.pki, n);
    (void)snprintf(
        out->next_folder, sizeof out->next_folder, "%s/next-%" PRId64, run->target.pki, n);
    out->stream = ph_random_u64();
    out->times_ns = calloc((size_t)out->times_max, sizeof *out->times_ns);
    const struct ph_bench_client_options options = {folder, id, run->target.port, &handlers, out};
    enum ph_err err = out->times_ns != NULL
                          ? make_next(out, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "devices: out of memory");
    return err == PH_OK ? ph_bench_client_new(run->loop, &options, &out->clients[0], error) : err;
}

void ph_renewer_free(struct ph_renewer *renewer)
{
    ph_bench_client_free(&renewer->clients[0]);
    ph_bench_client_free(&renewer->clients[1]);
    ph_bench_ask_free(&renewer->renew);
    ph_bench_ask_free(&renewer->state);
    free(renewer->times_ns);
}
