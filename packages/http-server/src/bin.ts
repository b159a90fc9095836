#!/usr/bin/env node
console.log("not written yet", process.argv.slice(2))
