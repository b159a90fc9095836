import { run } from "./src/histories/run.ts"
const t=performance.now()
await run({seed:1,isFull:false,minutes:Number(process.argv[2]??0.3),file:"/tmp/h1.ndjson",say:(x)=>console.log(((performance.now()-t)/1000).toFixed(1),x)})
