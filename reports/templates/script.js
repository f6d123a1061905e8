"use strict";(()=>{
const $=s=>document.querySelector(s),$$=(s,e=document)=>[...e.querySelectorAll(s)];
// theme: auto, light, dark; nothing is stored, a report leaves no trace
const th=$("#theme"),modes=["auto","light","dark"];let mode=0;
th.hidden=false;th.onclick=()=>{mode=(mode+1)%3;th.textContent="theme: "+modes[mode];if(mode)document.documentElement.dataset.theme=modes[mode];else delete document.documentElement.dataset.theme};
const open=e=>{for(let d=e&&e.closest("details");d;d=d.parentElement.closest("details"))d.open=true};
const go=()=>{let id="";try{id=decodeURIComponent(location.hash.slice(1))}catch{return}const e=id&&document.getElementById(id);if(e){e.hidden=false;open(e);e.scrollIntoView()}};
addEventListener("hashchange",go);
let before=[];
addEventListener("beforeprint",()=>{before=$$("details").map(d=>[d,d.open]);before.forEach(([d])=>{if(!d.classList.contains("files"))d.open=true})});
addEventListener("afterprint",()=>before.forEach(([d,o])=>{d.open=o}));
const bar=$(".filter");
if(bar){bar.hidden=false;
const q=$("#q"),rows=$$(".list tbody tr[data-v]"),words=$$("[data-fv]"),all=$("#allopen");
const filter=()=>{const on=words.filter(b=>b.getAttribute("aria-pressed")==="true").map(b=>b.dataset.fv),w=q.value.toLowerCase().split(/\s+/).filter(Boolean);let n=0;
rows.forEach(r=>{const ok=(!on.length||on.includes(r.dataset.v))&&w.every(x=>r.dataset.q.includes(x));r.hidden=!ok;n+=ok;const s=document.getElementById(r.dataset.s);if(s)s.hidden=!ok});
$("#qn").textContent=n+" of "+rows.length;$("#qnone").hidden=n>0};
q.oninput=filter;words.forEach(b=>{b.onclick=()=>{b.setAttribute("aria-pressed",b.getAttribute("aria-pressed")!=="true");filter()}});
$("#qclear").onclick=()=>{q.value="";words.forEach(b=>b.setAttribute("aria-pressed","false"));filter();q.focus()};
all.onclick=()=>{const o=all.textContent==="open all";$$(".sc").forEach(d=>{d.open=o});all.textContent=o?"close all":"open all"}}
go()})();
