/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/utc.h"

#include <stdint.h>
#include <stdio.h>

#define SECONDS_A_DAY 86400
#define DAYS_IN_400_YEARS 146097
#define DAYS_IN_100_YEARS 36524
#define DAYS_IN_4_YEARS 1461
#define DAYS_FROM_0000_03_01_TO_1970 719468
#define LAST_SECOND_OF_9999 253402300799

struct date {
	unsigned int year, month, day;
};

/* Years are counted from March, so that a leap day is a year's last. */
static struct date civil_date(uint64_t days_since_1970)
{
	uint64_t days = days_since_1970 + DAYS_FROM_0000_03_01_TO_1970;
	unsigned int era = (unsigned int)(days / DAYS_IN_400_YEARS);
	unsigned int day = (unsigned int)(days % DAYS_IN_400_YEARS);
	unsigned int year = (day - day / (DAYS_IN_4_YEARS - 1) + day / DAYS_IN_100_YEARS -
				    day / (DAYS_IN_400_YEARS - 1)) /
		365;
	unsigned int month;

	day -= 365 * year + year / 4 - year / 100;
	/* Five months from March on have 153 days, whatever five they are. */
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	return (struct date){
		.year = era * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day + 1,
	};
}

char *utc_format(const struct timespec *time, bool nanoseconds, char ret[static UTC_TEXT_SIZE])
{
	int64_t seconds = time->tv_sec;
	char fraction[sizeof(".123456789")] = "";

	if (seconds < 0)
		seconds = 0;
	if (seconds > LAST_SECOND_OF_9999)
		seconds = LAST_SECOND_OF_9999;
	if (nanoseconds)
		snprintf(fraction, sizeof(fraction), ".%09u",
			(unsigned int)time->tv_nsec % 1000000000U);

	struct date date = civil_date((uint64_t)seconds / SECONDS_A_DAY);
	unsigned int second = (unsigned int)(seconds % SECONDS_A_DAY);

	snprintf(ret, UTC_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%sZ", date.year, date.month,
		date.day, second / 3600, second / 60 % 60, second % 60, fraction);
	return ret;
}
