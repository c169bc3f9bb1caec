/* Compiler attributes, in one place. The mark for unused results stands on each prototype: on an
 * enum type GCC and Clang accept different spellings of it, and one of the two is silently empty.
 */
#ifndef PH_BASE_ATTR_H
#define PH_BASE_ATTR_H

#define PH_NODISCARD          __attribute__((warn_unused_result))
#define PH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define PH_NORETURN           __attribute__((noreturn))

#endif
