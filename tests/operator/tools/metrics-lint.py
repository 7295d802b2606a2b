#!/usr/bin/env python3
"""Judges metrics in the text exposition format 0.0.4, as Prometheus does and a little more strictly: names and labels,
one HELP and one TYPE before the samples of a family, families and histograms whole, no sample twice. Reads standard
input; names what is wrong and where."""
import re
import sys

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
SAMPLE = re.compile(r'(%s)(?:\{(.*)\})? (\S+)$' % NAME)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
problems = []


def wrong(line, text):
    problems.append('line %d: %s' % (line, text))


def read_labels(line, text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        if not found:
            wrong(line, 'labels do not parse: %s' % text)
            return labels
        if found.group(1) in labels:
            wrong(line, 'label %s is there twice' % found.group(1))
        labels[found.group(1)] = found.group(2)
        at = found.end()
    return labels


def family_of(name, types):
    for suffix in ('_bucket', '_sum', '_count'):
        if name.endswith(suffix) and types.get(name[:-len(suffix)]) == 'histogram':
            return name[:-len(suffix)]
    return name


def check_histogram(name, series):
    for key, parts in series.items():
        bounds = [(float(le.replace('+Inf', 'inf')), count) for le, count in parts['buckets']]
        if bounds != sorted(bounds) or [c for _, c in bounds] != sorted(c for _, c in bounds):
            problems.append('%s%s: buckets are not cumulative and in order' % (name, dict(key)))
        if not bounds or bounds[-1][0] != float('inf'):
            problems.append('%s%s: no bucket +Inf' % (name, dict(key)))
        elif bounds[-1][1] != parts.get('count'):
            problems.append('%s%s: _count is not the bucket +Inf' % (name, dict(key)))
        if 'sum' not in parts:
            problems.append('%s%s: no _sum' % (name, dict(key)))


def check(text):
    types, helps, seen, histograms, current, done = {}, set(), set(), {}, None, set()
    if not text.endswith('\n'):
        problems.append('the last line does not end')
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith('# '):
            word, name, rest = line[2:].split(' ', 2)
            if word == 'HELP':
                if name in helps:
                    wrong(number, 'a second HELP of %s' % name)
                helps.add(name)
            elif word == 'TYPE':
                if name in types or rest not in ('counter', 'gauge', 'histogram'):
                    wrong(number, 'TYPE %s %s' % (name, rest))
                types[name] = rest
                if (rest == 'counter') != name.endswith('_total'):
                    wrong(number, '%s: counters, and they alone, end in _total' % name)
            continue
        found = SAMPLE.match(line)
        if not found:
            wrong(number, 'no sample: %s' % line)
            continue
        name, value = found.group(1), float(found.group(3))
        labels = read_labels(number, found.group(2) or '')
        family = family_of(name, types)
        if family not in types or family not in helps:
            wrong(number, '%s has no TYPE or no HELP before it' % family)
        if family != current:
            if family in done:
                wrong(number, 'samples of %s stand apart' % family)
            done.add(family)
            current = family
        if (name, tuple(sorted(labels.items()))) in seen:
            wrong(number, 'the same sample twice: %s' % line)
        seen.add((name, tuple(sorted(labels.items()))))
        if types.get(family) == 'counter' and value < 0:
            wrong(number, 'a counter below 0')
        if types.get(family) == 'histogram':
            bound = labels.pop('le', None)
            parts = histograms.setdefault(family, {}).setdefault(tuple(sorted(labels.items())), {'buckets': []})
            if name.endswith('_bucket'):
                parts['buckets'].append((bound, value))
            else:
                parts[name.rsplit('_', 1)[1]] = value
    for name, series in histograms.items():
        check_histogram(name, series)
    if not seen:
        problems.append('no samples at all')


check(sys.stdin.read())
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
