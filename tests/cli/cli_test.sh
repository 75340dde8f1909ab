#!/usr/bin/env bash
# The command line: what is found, what is refused with which exit code, and that the configuration does as its
# commands say. Wants WEIR, the built program. Prints TAP.
set -uo pipefail
weir=${WEIR:?set WEIR to the built program}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for variable in $(compgen -e | grep '^WEIR'); do unset "$variable"; done
failed=0

claim() { # name command...
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok - cli::$name"
    else
        echo "not ok - cli::$name"
        sed 's/^/# /' "$work/output"
        failed=1
    fi
}

# Runs weir; its exit code must be the one given, and every further argument up to -- must be in its output.
expect() { # code text... -- argument...
    local code=$1 texts=() found text
    shift
    while [ "$1" != -- ]; do
        texts+=("$1")
        shift
    done
    shift
    "$weir" "$@" >"$work/stdout" 2>"$work/stderr"
    found=$?
    cat "$work/stdout" "$work/stderr" >"$work/both"
    cat "$work/both"
    [ "$found" -eq "$code" ] || { echo "exit code $found, wanted $code"; return 1; }
    for text in "${texts[@]}"; do
        grep -qF -- "$text" "$work/both" || { echo "no \"$text\" in it"; return 1; }
    done
}

commands() {
    "$weir" --help | sed -n '/^commands:/,/^$/p' | awk 'NR > 1 && NF {print $1}'
}

every_command_has_help_with_a_usage_line() {
    local command
    [ "$(commands | wc -l)" -ge 6 ] || return 1
    for command in $(commands); do
        expect 0 "usage: weir $command" -- "$command" --help || return 1
        expect 0 "usage: weir $command" -- help "$command" || return 1
        [ -s "$work/stdout" ] && [ ! -s "$work/stderr" ] || { echo "help belongs on standard output"; return 1; }
    done
}

help_is_asked_for_in_many_ways() {
    expect 0 "usage: weir COMMAND" -- --help && expect 0 "usage: weir COMMAND" -- -h &&
        expect 0 "usage: weir COMMAND" -- help && expect 0 "usage: weir config check" -- help config check
}

nothing_given_is_a_usage_error() {
    expect 2 "usage: weir COMMAND" -- && [ ! -s "$work/stdout" ] && expect 2 "usage: weir config" -- config
}

version_is_one_line() {
    expect 0 "weir " -- --version && [ "$(wc -l <"$work/stdout")" -eq 1 ]
}

slips_are_answered_with_the_nearest() {
    expect 2 'There is no command "runn"; did you mean "run"?' -- runn &&
        expect 2 'There is no command "xyzzy". See' -- xyzzy &&
        expect 2 'did you mean "check"?' -- config chek &&
        expect 2 'There is no flag --broker; did you mean --brokers?' -- config show --broker x &&
        expect 2 'There is no command "nothing"' -- help nothing
}

misuse_is_exit_code_2() {
    expect 2 "one argument too many" -- config options more &&
        expect 2 "--workers needs a value" -- config show --workers &&
        expect 2 "flags have two dashes" -- config show -w &&
        [ ! -s "$work/stdout" ]
}

write_config() {
    printf 'brokers: localhost:9092\nmodel: m.json\ntopics: {alerts: al}\n' >"$work/weir.yaml"
}

check_says_fine() {
    write_config
    expect 0 "The configuration is fine." -- config check "$work/weir.yaml"
}

check_finds_problems_with_code_3() {
    printf 'brokers: a:1\nworkers: lots\nlinger: 5\ntopics:\n  alert: x\n' >"$work/bad.yaml"
    expect 3 "bad.yaml:2:10: workers is \"lots\"" "bad.yaml:3:9: linger is \"5\"" \
        "bad.yaml:5:10: \"topics.alert\" is not an option; did you mean \"topics.alerts\"?" \
        -- config check "$work/bad.yaml" && [ "$(wc -l <"$work/stdout")" -eq 3 ] &&
        expect 3 "brokers is empty" "model is empty" -- config check
}

check_knows_what_other_modules_refuse() {
    write_config
    expect 3 "http.token is empty" -- config check "$work/weir.yaml" --http.listen 0.0.0.0:9464 &&
        expect 0 -- config check "$work/weir.yaml" --http.listen 0.0.0.0:9464 --http.token 0123456789abcdef &&
        expect 3 "wanted ADDRESS:PORT" -- config check "$work/weir.yaml" --http.listen nowhere &&
        expect 0 "The configuration is fine." -- config check "$work/weir.yaml" --stages card,terminal \
            --topics.labels labels &&
        expect 3 'stages begins with "terminal"' -- config check "$work/weir.yaml" --stages terminal &&
        expect 3 "internal topics in group weir" -- config check "$work/weir.yaml" --topics.labels weir.clock &&
        expect 3 "kafka.enable.auto.commit is weir's own" -- \
            config check "$work/weir.yaml" --set kafka.enable.auto.commit=true
}

a_file_that_is_not_there_is_a_failure_and_no_finding() {
    expect 1 "cannot be read: No such file" -- config check "$work/none.yaml"
}

show_says_where_values_came_from() {
    write_config
    WEIR_WORKERS=3 expect 0 "brokers: localhost:9092" "weir.yaml:1:10" "workers: 3" "# WEIR_WORKERS" "linger: 2ms" \
        "# --linger" "topics.alerts: al" "state.horizon: 30d" -- config show "$work/weir.yaml" --linger 2ms
}

what_show_prints_is_a_configuration() {
    write_config
    "$weir" config show "$work/weir.yaml" --workers 3 >"$work/shown.yaml" &&
        "$weir" config show "$work/shown.yaml" | sed 's/ *#.*//' >"$work/again" &&
        sed 's/ *#.*//' "$work/shown.yaml" | diff - "$work/again"
}

secrets_stay_secret() {
    WEIR_HTTP_TOKEN=hunter2hunter2hunter2 WEIR_KAFKA_SASL_PASSWORD=hunter2 expect 0 "# http.token: *****" \
        "# kafka.sasl.password: *****" -- config show && ! grep -q hunter2 "$work/both"
}

a_slip_in_the_environment_is_warned_of() {
    write_config
    WEIR_TOPICS_ALERT=x expect 0 "did you mean WEIR_TOPICS_ALERTS?" -- config check "$work/weir.yaml"
}

options_lists_what_show_shows() {
    local name
    "$weir" config options >"$work/options"
    for name in $("$weir" config show | sed -nE 's/^([a-z_.]+): .*/\1/p'); do
        grep -qE "^  $name( |$)" "$work/options" || { echo "$name is not documented"; return 1; }
    done
}

state_wants_a_key_and_a_directory() {
    expect 2 "which card? Give its token" -- state get --state-dir "$work" &&
        expect 2 "--state-dir is missing" -- state get tok_1 &&
        expect 2 "--state-dir is missing" -- state stats &&
        expect 2 "which terminal? Give its identifier" -- state get terminal --state-dir "$work"
}

state_knows_its_entities() {
    expect 2 'there is no entity "terminl"; did you mean "terminal"?' -- state get terminl T-17 --state-dir "$work" &&
        expect 2 "card, terminal, merchant or device" -- state get wallet W-1 --state-dir "$work" &&
        expect 2 '"more" is one argument too many' -- state get terminal T-17 more --state-dir "$work"
}

state_says_what_it_looked_for() {
    mkdir -p "$work/no-state"
    expect 1 "no state directory $work/none" -- state get terminal T-17 --state-dir "$work/none" &&
        expect 1 "looked for <topic>/<partition>/" -- state get terminal T-17 --state-dir "$work/no-state" &&
        expect 1 "looked for <topic>/<partition>/" -- state stats --state-dir "$work/no-state"
}

a_full_disk_is_a_failure() {
    [ -c /dev/full ] || return 0
    "$weir" config options >/dev/full 2>"$work/stderr"
    [ $? -eq 1 ] && grep -qF "No space left on device" "$work/stderr"
}

claim every_command_has_help_with_a_usage_line every_command_has_help_with_a_usage_line
claim help_is_asked_for_in_many_ways help_is_asked_for_in_many_ways
claim nothing_given_is_a_usage_error nothing_given_is_a_usage_error
claim version_is_one_line version_is_one_line
claim slips_are_answered_with_the_nearest slips_are_answered_with_the_nearest
claim misuse_is_exit_code_2 misuse_is_exit_code_2
claim check_says_fine check_says_fine
claim check_finds_problems_with_code_3 check_finds_problems_with_code_3
claim check_knows_what_other_modules_refuse check_knows_what_other_modules_refuse
claim a_file_that_is_not_there_is_a_failure_and_no_finding a_file_that_is_not_there_is_a_failure_and_no_finding
claim show_says_where_values_came_from show_says_where_values_came_from
claim what_show_prints_is_a_configuration what_show_prints_is_a_configuration
claim secrets_stay_secret secrets_stay_secret
claim a_slip_in_the_environment_is_warned_of a_slip_in_the_environment_is_warned_of
claim options_lists_what_show_shows options_lists_what_show_shows
claim state_wants_a_key_and_a_directory state_wants_a_key_and_a_directory
claim state_knows_its_entities state_knows_its_entities
claim state_says_what_it_looked_for state_says_what_it_looked_for
claim a_full_disk_is_a_failure a_full_disk_is_a_failure
exit $failed
