/* What `ph-fleet load` was asked to do (docs/spec/fleet.md, LOAD). */
#ifndef PH_FLEET_LOAD_OPTIONS_H
#define PH_FLEET_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cli.h"
#include "base/error.h"

enum {
    PH_LOAD_CONNECTIONS_MAX = 100000,
    PH_LOAD_THREADS_MAX = 256,
    PH_LOAD_NAME_BYTES = 1024, /* a topic, a filter or a client id, placeholders filled in */
};

struct ph_load_options {
    char *broker; /* as it was given */
    char *host;
    uint16_t port;
    bool tls;
    int version; /* 5, or 4 for 3.1.1 */
    int64_t publishers;
    int64_t subscribers;
    int64_t rate;   /* messages per second of all publishers; 0: as fast as the window allows */
    int64_t window; /* unconfirmed messages of each publisher */
    int64_t size_bytes;
    int64_t readings; /* of the telemetry message that is the payload; 0: bytes */
    int64_t qos;
    bool retain;
    char *topic;        /* templates: {n} is the number, {name} the folder of the certificate */
    char *filter;       /* of subscribers */
    char *client_id;    /* {n}: publishers first, then subscribers */
    int64_t duration_s; /* of what is measured; 0: until the messages are sent */
    int64_t warmup_s;   /* before it */
    int64_t drain_s;    /* how long the end waits after the last arrival */
    int64_t messages;   /* in all; 0: no bound */
    int64_t ramp;       /* connections begun per second */
    int64_t threads;
    char *ca_file; /* NULL: the system's */
    char **certs;  /* folders with cert.pem and key.pem; owned */
    size_t cert_count;
    char *user;       /* NULL: none */
    char *password;   /* NULL: none */
    const char *json; /* borrowed from the command line; NULL: none, "-": standard output */
    bool plain;
};

/* Reads them from the table of `ph-fleet load`, and checks each and what does not go together. The
 * caller owns *out, and the command line outlives it. */
enum ph_err ph_load_options_load(
    const struct ph_cli *cli, struct ph_load_options **out, struct ph_error *error) PH_NODISCARD;
void ph_load_options_free(struct ph_load_options **options);

/* Fills in a template: {n} becomes the number, {name} the text. PH_ERR_LIMIT when it does not fit.
 */
enum ph_err ph_load_expand(char out[PH_LOAD_NAME_BYTES], const char *template, int64_t n,
    const char *name, struct ph_error *error) PH_NODISCARD;

/* What --certs names: a folder with a certificate, or such folders below it, in order of name; then
 * as many as publishers are needed, and no more are taken than there are connections. Sets the CA
 * file, too, unless it was given. */
enum ph_err ph_load_certs_find(
    struct ph_load_options *options, const char *folder, struct ph_error *error) PH_NODISCARD;

/* The folder of the certificate of that connection (publishers first, from 0): when there are fewer
 * folders, subscribers share them. NULL: no certificate. And its last part, "" when there is none
 * or all share one. */
const char *ph_load_cert_folder(const struct ph_load_options *options, int64_t index);
const char *ph_load_cert_name(const struct ph_load_options *options, int64_t index);

/* A filter that matches every topic of the template: each level with a placeholder becomes '+'. */
void ph_load_filter_for(char out[PH_LOAD_NAME_BYTES], const char *topic);

/* Reads mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; an IPv6 address stands in brackets. */
enum ph_err ph_load_broker_parse(
    const char *text, struct ph_load_options *options, struct ph_error *error) PH_NODISCARD;

#endif
