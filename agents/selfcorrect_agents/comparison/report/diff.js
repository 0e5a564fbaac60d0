"use strict";
// The changes between two texts, word by word (character by character in short ones).

const SHORT = 80; // characters: texts up to this length are compared character by character
const MOST_CELLS = 4e6; // of the table of common subsequences; beyond it the whole middle differs

function tokensOf(text, byCharacter) {
  return byCharacter ? Array.from(text) : text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
}

// Returns [kept, removed, added] pieces in order: {kind: "same" | "gone" | "new", text}.
function changes(before, after) {
  const byCharacter = before.length <= SHORT && after.length <= SHORT;
  const a = tokensOf(before, byCharacter);
  const b = tokensOf(after, byCharacter);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const middleA = a.slice(start, a.length - end);
  const middleB = b.slice(start, b.length - end);
  const pieces = [];
  const add = (kind, text) => {
    const last = pieces[pieces.length - 1];
    if (!text) return;
    if (last && last.kind === kind) last.text += text;
    else pieces.push({ kind, text });
  };
  add("same", a.slice(0, start).join(""));
  if (middleA.length * middleB.length > MOST_CELLS) {
    add("gone", middleA.join(""));
    add("new", middleB.join(""));
  } else {
    walk(middleA, middleB, add);
  }
  add("same", end ? a.slice(a.length - end).join("") : "");
  return pieces;
}

// Longest common subsequence by dynamic programming; lengths[i][j] is that of a[i:], b[j:].
function walk(a, b, add) {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add("same", a[i++]);
      j++;
    } else if (j >= b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      add("gone", a[i++]);
    } else {
      add("new", b[j++]);
    }
  }
}
