#!/usr/bin/env bash
# propose.sh PATCH REPORT: one pull request with tables, always from the same branch. Nothing is
# merged, and a branch that somebody else has worked on is left to them.
set -euo pipefail
patch=$1 report=$2 branch=fresh
name="github-actions[bot]" mail="41898282+github-actions[bot]@users.noreply.github.com"
base=$(git rev-parse --abbrev-ref HEAD)
title=$(sed -n '1s/^# //p' "$report")

# Only what is generated: a patch that would touch anything else does nothing there.
git apply --index --include='hfkv/data/*' --include='tests/fixtures/*' \
  --include='.github/ARCHITECTURES.md' --include='pyproject.toml' "$patch"
if git diff --cached --quiet; then
  echo "the tables are as they were"
  exit 0
fi
git -c user.name="$name" -c user.email="$mail" commit -q -m "$title"

if git fetch -q origin "+refs/heads/$branch:refs/remotes/origin/$branch" 2> /dev/null; then
  if [ "$(git log -1 --format=%ce "origin/$branch")" != "$mail" ]; then
    echo "somebody works on the branch '$branch': it is left as it is"
    exit 0
  fi
  if git diff --quiet HEAD "origin/$branch"; then
    echo "the branch '$branch' has these tables already"
    same=true
  fi
fi
[ "${same:-}" ] || git push -q --force origin "HEAD:refs/heads/$branch"
if [ "$(gh pr list --head "$branch" --state open --json number --jq length)" -gt 0 ]; then
  gh pr edit "$branch" --title "$title" --body-file "$report"
else
  gh pr create --head "$branch" --base "$base" --title "$title" --body-file "$report"
fi
# What this token pushes starts no workflow by itself.
[ "${same:-}" ] || gh workflow run ci.yml --ref "$branch"
