/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that hold between objects of one config.json, after each of them was decoded. What depends
 * on the host (does a path exist, may this user do it) is judged where it is used.
 */
#pragma once

struct decoder;
struct oci_config;

/* Returns 0, or -EINVAL with the error of `decoder` set. */
int check_config(struct decoder *decoder, const struct oci_config *config);
