/* Every ceiling on what comes from outside, each with its reason. All are inclusive. */
#ifndef PH_BASE_LIMITS_H
#define PH_BASE_LIMITS_H

#define PH_LIMIT_SEGMENT_BYTES 64 /* one identity segment: X.520 ub-common-name is 64 */
#define PH_LIMIT_TOPIC_BYTES                                                                       \
    512 /* ours need 230; MQTT allows 65535, which only an attacker uses                           \
         */
#define PH_LIMIT_TOPIC_LEVELS    16  /* ours have six; bounds the work of one match */
#define PH_LIMIT_CLIENT_ID_BYTES 255 /* three segments, separators, and room for a prefix */
#define PH_LIMIT_SHARED_CONNECTIONS                                                                \
    4096 /* of one identity at once, 1 kB each: all devices of a large batch enrolling together */
#define PH_LIMIT_USER_NAME_BYTES  383   /* role, anchor and three segments with their separators */
#define PH_LIMIT_MESSAGE_BYTES    65536 /* one PUBLISH: 500 readings of 120 bytes after an outage */
#define PH_LIMIT_MESSAGE_READINGS 512   /* readings in one message */
#define PH_LIMIT_READING_FIELDS   32    /* fields of one reading */
#define PH_LIMIT_READING_BYTES    4096  /* one reading as JSON text */
#define PH_LIMIT_TEXT_VALUE_BYTES 256   /* a text field's value */
#define PH_LIMIT_JSON_DEPTH       8 /* ours nest three deep; bounds every recursion over a tree */
#define PH_LIMIT_JSON_MEMBERS                                                                      \
    64 /* members of one object: a reading's fields with room; bounds the search for repeated keys \
        */
#define PH_LIMIT_JSON_NUMBER_BYTES                                                                 \
    63 /* one number as text: a double needs 24; cJSON reads no more than 63 */
#define PH_LIMIT_ENUM_VALUES 64 /* values of one enum field: searched in order per reading */
#define PH_LIMIT_ACK_RANGES  64 /* "also" ranges in one acknowledgement */
#define PH_LIMIT_SEQ         INT64_C(9007199254740991) /* 2^53-1: exact in a double */
#define PH_LIMIT_CERTIFICATE_BYTES                                                                 \
    16384 /* a PEM file with one chain: three P-256 certificates need 3 kB */
#define PH_LIMIT_BUNDLE_BYTES       1048576  /* a CA bundle */
#define PH_LIMIT_CRL_BYTES          67108864 /* a CRL: about a million entries of 40 bytes */
#define PH_LIMIT_CONFIG_BYTES       1048576  /* a configuration or policy file */
#define PH_LIMIT_CHAIN_DEPTH        4        /* leaf, tenant CA, subordinate CA, root */
#define PH_LIMIT_ANCHOR_CAS         256 /* CA certificates of one anchor: each is held against each */
#define PH_LIMIT_PATHS              16 /* chains tried for one certificate: one or two as a rule */
#define PH_LIMIT_CRL_GRACE_S        31536000  /* a year: more would be no CRL at all */
#define PH_LIMIT_MQTT_PAYLOAD_BYTES 268435455 /* what MQTT's remaining length can say */
#define PH_LIMIT_CONNACK_BYTES                                                                     \
    4096 /* a broker's answer to CONNECT, its reason as text included: a dozen as a rule */
#define PH_LIMIT_PROBE_BYTES                                                                       \
    262144 /* what a broker may send until it has answered: OpenSSL takes chains of 100 kB */
#define PH_LIMIT_POLICY_ANCHORS 64   /* trust anchors in one policy: a few, or one per tenant CA */
#define PH_LIMIT_POLICY_ROLES   1024 /* roles in one policy: scanned in order per connection */
#define PH_LIMIT_POLICY_LISTS   16   /* deny-list files: read at start and when they change */
#define PH_LIMIT_SUBJECT_RULES  16   /* subject attributes that one role asks for */
#define PH_LIMIT_DENY_BYTES     67108864 /* one deny-list file: 100,000 entries need 4 to 10 MB */
#define PH_LIMIT_DENY_ENTRIES   1000000  /* all entries of all lists, 70 bytes of memory each */
#define PH_LIMIT_POLICY_FILES   64   /* CA or CRL files of one anchor: read at start and reload */
#define PH_LIMIT_POLICY_TENANTS 1024 /* tenants of one anchor: scanned in order per check */
#define PH_LIMIT_POLICY_KINDS   256  /* kinds of one anchor: scanned in order per check */
#define PH_LIMIT_ROLE_FILTERS   64 /* templates per list of one role: scanned in order per check */

#endif
