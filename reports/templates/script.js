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
// timelines: drag or keys zoom, pointer or arrows read a moment; all is drawn already, so this only moves it
const el=(tag,css,words)=>{const e=document.createElement(tag);e.className=css;if(words)e.textContent=words;return e};
const zoomed=[];
$$(".tl").forEach(tl=>{const span=+tl.dataset.span,ws=JSON.parse(tl.dataset.w),tools=el("div","zoom"),out=el("output","zo"),cur=el("i","cur"),under=el("div","under over");
const at=$$("[style]",tl).filter(e=>e.style.left||e.style.right).map(e=>[e,parseFloat(e.style.left),parseFloat(e.style.width),parseFloat(e.style.right)]);
const plots=$$("svg.plot",tl).map(e=>[e,e.viewBox.baseVal.height]);let a=0,b=span,t=null;
const say=()=>{const w=t===null?null:ws.filter(([,i,e])=>i<=t&&t<=(e===null?span:e)).pop();cur.hidden=t===null||t<a||t>b;cur.style.left=(t-a)/(b-a)*100+"%";
out.textContent=(t===null?"":t.toFixed(3)+" s"+(w?", "+w[0]+" +"+(t-w[1]).toFixed(3):"")+"; ")+"shown: "+a.toFixed(1)+" to "+b.toFixed(1)+" s"};
const show=(x,y)=>{a=Math.max(0,Math.min(x,span));b=Math.max(0,Math.min(y,span));if(b-a<.01)return show(0,span);const k=span/(b-a),l=a/span*100,r=100-b/span*100;
at.forEach(([e,x,w,y])=>{const from=x,to=isNaN(w)?x:x+w;if(!isNaN(x)){e.style.left=(Math.max(from,l-1)-l)*k+"%";if(!isNaN(w))e.style.width=Math.max(0,Math.min(to,101-r)-Math.max(from,l-1))*k+"%";e.style.visibility=to<l||from>100-r?"hidden":""}if(!isNaN(y)){e.style.right=(y-r)*k+"%";e.style.visibility=100-y<l?"hidden":""}});
plots.forEach(([e,h])=>e.setAttribute("viewBox",a+" 0 "+(b-a)+" "+h));say()};
const add=(words,x,y)=>{const e=el("button","",words);e.type="button";e.onclick=()=>show(x,y);tools.append(e)};
add("all",0,span);ws.slice(0,6).forEach(([id,i,e])=>{const end=e===null?span:e,m=Math.max(.5,(end-i)*.15);add(id,i-m,end+m)});
if(tl.dataset.b){const m=Math.max(.25,span/20);add("first finding",tl.dataset.b-m,+tl.dataset.b+m)}
tools.append(out,el("span","q","drag to zoom; keys with the timeline in focus: ← → + − 0 Esc"));tl.before(tools);under.append(cur);tl.append(under);tl.tabIndex=0;
const where=e=>{const r=under.getBoundingClientRect();return a+(b-a)*Math.max(0,Math.min(1,(e.clientX-r.left)/r.width))};let from=null;
tl.onpointerdown=e=>{if(e.button===0&&e.pointerType==="mouse")from=where(e)};tl.onpointermove=e=>{t=where(e);say()};
tl.onpointerup=e=>{const to=where(e);if(from!==null&&Math.abs(to-from)>(b-a)*.01){show(Math.min(from,to),Math.max(from,to));getSelection().removeAllRanges()}from=null};tl.ondblclick=()=>show(0,span);
tl.onkeydown=e=>{if(e.ctrlKey||e.metaKey||e.altKey)return;const d=(b-a)/200*(e.shiftKey?10:1),c=t===null?(a+b)/2:t,z=f=>show(c-(c-a)*f,c+(b-c)*f);
const k={ArrowLeft:()=>{t=Math.max(a,c-d);say()},ArrowRight:()=>{t=Math.min(b,c+d);say()},"+":()=>z(.5),"=":()=>z(.5),"-":()=>z(2),"0":()=>show(0,span),Escape:()=>{t=null;say()}}[e.key];if(k){k();e.preventDefault()}};
zoomed.push(()=>show(0,span));say()});
addEventListener("beforeprint",()=>zoomed.forEach(f=>f()));
// matrices: the note of a cell is read with the pointer, or with the arrow keys
$$(".mx").forEach(mx=>{const note=el("p","mxn"),rows=$$("tbody tr",mx).map(r=>$$("td",r));note.setAttribute("aria-live","polite");note.textContent="point at a cell, or move with the arrow keys";mx.parentElement.after(note);
const names=$$("thead th",mx).slice(1).map(e=>e.textContent),tell=(y,x)=>{note.textContent=names[y]+" → "+names[x]+": "+(rows[y][x].title||rows[y][x].dataset.n||"itself")};
rows.forEach((cells,y)=>cells.forEach((c,x)=>{c.dataset.n=c.title;c.tabIndex=x+y?-1:0;c.onfocus=c.onmouseenter=()=>tell(y,x);c.onkeydown=e=>{const d={ArrowLeft:[0,-1],ArrowRight:[0,1],ArrowUp:[-1,0],ArrowDown:[1,0]}[e.key],n=d&&rows[y+d[0]]?.[x+d[1]];if(n){c.tabIndex=-1;n.tabIndex=0;n.focus();e.preventDefault()}}}))});
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
